"""HL7 monitors through a whole gateway: identities in the commit, the wrong patient, kills while six monitors send."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.devices.driver import DeviceMessage, NamedPatients, RefusedMessage
from edge.devices.identities import Identities
from edge.settings import Settings
from edge.store.open import open_outbox
from infra.local.ports import Ports
from tests.support.hl7_makes import BASE, Monitor, message, stamp
from tests.support.waiting import until
from vitals import engine
from vitals.engine.rules.technical_alarms import WRONG_PATIENT
from vitals.wire import uplink_batch

ROOT = Path(__file__).parents[2]
Rig = Callable[..., Any]


def test_an_identity_is_stored_with_its_reading_and_known_after_a_kill_before_the_answer(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    answered: list[Any] = []
    first = Identities().number("dev-1", 4711, make.NOW)

    def sent(numbers: Any) -> DeviceMessage:  # noqa: ANN401 - numbers of a message
        frame = make.frame(numbers.seq, boot=numbers.boot, hr=71)
        return make.delivery(frame, ack=answered.extend, receipt=1)._replace(entry=numbers.entry)

    gw.gateway.receive(sent(first))
    assert answered == []
    gw.turn()
    assert answered == [1]
    gw = rig(now=make.NOW + 1_000)
    again = Identities(gw.outbox.identities()).number("dev-1", 4711, make.NOW + 1_000)
    gw.gateway.receive(sent(again))
    gw.turn()
    assert (again, answered, gw.metric("wardwatch_edge_duplicate_readings_total")) == (first, [1, 1], 1)
    assert sum(len(r) for _, r in gw.outbox.journal()) == 1


def test_identities_of_a_day_ago_are_dropped_with_the_next_commit(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for k, t in enumerate((make.NOW, make.NOW + 86_400_001)):
        gw.clock.now = t
        numbers = Identities().number("dev-1", k, t)
        frame = make.frame(0, boot=numbers.boot, t=t, hr=71)
        gw.gateway.receive(make.delivery(frame, t_gw=t)._replace(entry=numbers.entry))
        gw.turn(1)
    assert len(list(gw.outbox.identities())) == 1


def test_a_refused_message_is_stored_with_its_reason_before_the_sender_hears_of_it(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    answered: list[Any] = []
    gw.gateway.receive(RefusedMessage(make.delivery(b"MSH|", ack=answered.extend, receipt=9), "no header: frame of x"))
    assert answered == []
    gw.turn()
    assert answered == [9]
    ((reason,),) = gw.outbox._db.execute("SELECT reason FROM rejected").fetchall()
    assert reason == b"no header: frame of x"


def test_a_monitor_that_names_another_patient_is_high_at_once_at_the_bed_and_in_the_cloud_until_it_does_not(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))

    def hear(*patients: str) -> list[tuple[str, str, str]]:
        gw.above.published.clear()
        gw.gateway.receive(NamedPatients("dev-1", patients))
        gw.device(hear.seq, hr=71)  # type: ignore[attr-defined] # counts
        hear.seq += 1  # type: ignore[attr-defined] # counts
        gw.turn(1)
        hear.state, events = engine.report(hear.state, gw.statuses()[-1], gw.clock.now, own=True)  # type: ignore[attr-defined]
        return [(e.condition, e.phase.value, e.priority.label) for e in events if e.condition == WRONG_PATIENT]

    hear.seq, hear.state = 0, engine.empty()  # type: ignore[attr-defined] # counts
    assert hear("p-1") == []
    assert hear() == []
    # One second, a cadence, after the message.
    assert hear("p-2", "0815") == [(WRONG_PATIENT, "start", "high")]
    assert WRONG_PATIENT in {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"]}
    assert hear("0815", "p-1") == [(WRONG_PATIENT, "end", "high")]
    hear("p-2")
    # The admission is corrected.
    gw.down("roster", make.roster(make.placement(patient="p-2"), version=2))
    assert hear("p-2") == [(WRONG_PATIENT, "end", "high")]


SENT = 40


def oru(device: str, k: int) -> bytes:
    """Message `k` of a monitor; heart rate and saturation together number it."""
    now = stamp(BASE + 1_000 * k)
    return message(
        rf"MSH|^~\&|{device}||||{now}||ORU^R01|{k % 7}|P|2.6",
        f"OBR|1||||||{now}",
        f"OBX|1|NM|8867-4^HR^LN||{60 + k % 20}|/min|||||F",
        f"OBX|2|NM|59408-5^SpO2^LN||{80 + k // 20}|%|||||F",
    )


def persist(device: str, port: int, accepted: Counter[tuple[str, int]]) -> None:
    """Sends message after message; repeats each until it is accepted, on a new connection if need be."""
    monitor: Monitor | None = None
    for k in range(SENT):
        for _ in range(300):
            try:
                monitor = monitor or Monitor(port, 20)
                code, control, reason = monitor.ask(oru(device, k))
            except OSError:
                if monitor is not None:
                    monitor.close()
                monitor = None
                continue
            assert (code, control) == ("AA", str(k % 7)), reason
            accepted[device, k] += 1
            break
    if monitor is not None:
        monitor.close()


@pytest.mark.timeout(120)
def test_kills_of_gateway_and_driver_while_six_monitors_send_lose_and_double_nothing_that_was_accepted(
    tmp_path: Path,
) -> None:
    names = [f"mon-{k}" for k in range(6)]
    ports = dict(zip(names, Ports.ephemeral(6).devices, strict=True))
    environ = os.environ | {
        "GATEWAY": "gw-1",
        "EDGE_DATA": str(tmp_path / "edge"),
        "DEVICE_BROKER": "mqtt://127.0.0.1:9",
        "UPLINK": "mqtt://127.0.0.1:9",
        "COMMIT_LINGER_MS": "50",
        "DEVICE_DRIVERS": ",".join(f"hl7://127.0.0.1:{port}?device={name}&zone=UTC" for name, port in ports.items()),
    }
    accepted: Counter[tuple[str, int]] = Counter()

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "edge"], env=environ, stderr=log, cwd=ROOT)

    gateway = start()
    senders = [threading.Thread(target=persist, args=(n, p, accepted)) for n, p in ports.items()]
    try:
        for one in senders:
            one.start()
        for share, whole in ((0.2, False), (0.4, True), (0.6, False), (0.8, True)):
            until(lambda part=share: len(accepted) >= part * SENT * 6, f"{share} of the messages", every_s=0.01)  # type: ignore[misc]
            if whole:
                gateway.kill()
                gateway.wait()
                gateway = start()
            else:
                for pid in drivers(gateway.pid):
                    os.kill(pid, signal.SIGKILL)
        until(lambda: len(accepted) == SENT * 6, "all messages accepted")
    finally:
        gateway.kill()
        gateway.wait()
        for one in senders:
            one.join(30)
    stored = found(tmp_path / "edge")
    assert set(accepted) == {(name, k) for name in names for k in range(SENT)}
    assert stored == Counter(dict.fromkeys(accepted, 1))


def drivers(gateway: int) -> list[int]:
    listed = Path(f"/proc/{gateway}/task").glob("*/children")
    return [int(pid) for one in listed for pid in one.read_text().split()]


def found(data: Path) -> Counter[tuple[str, int]]:
    """Times that each message is in the outbox, by the identities of its readings."""
    outbox = open_outbox(data, BASE)
    payloads = [outbox.batches.payload(s.n) for s in outbox.batches.after(0, 100_000)]
    parts = [uplink_batch.decode(p).readings for p in payloads if p] + [r for _, r in outbox.journal()]
    outbox.close()
    by_identity = {}
    for part in parts:
        hr, spo2 = part.values[:, 0].tolist(), part.values[:, 3].tolist()
        for identity, beats, saturation in zip(part.identities(), hr, spo2, strict=True):
            by_identity[identity] = identity[0], round(beats) - 60 + 20 * (round(saturation) - 80)
    return Counter(by_identity.values())


def test_a_gateway_without_hl7_monitors_imports_nothing_of_their_driver_and_starts_without_the_package() -> None:
    code = (
        "import sys\nsys.modules['hl7'] = None\nimport edge.__main__\n"
        "print([m for m in sys.modules if m.startswith(('edge.hl7', 'hl7.'))])\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - own words
    assert told.stdout == "[]\n"
    # The driver itself says what is missing.
    code = "import sys\nsys.modules['hl7'] = None\nfrom edge.hl7.__main__ import main\nsys.exit(main(['0']))\n"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - own words
    assert (told.returncode, "extra hl7" in told.stderr) == (2, True)


def test_a_wrong_url_stops_the_start_with_its_reason() -> None:
    with pytest.raises(ValueError, match="DEVICE_DRIVERS"):
        Settings(gateway="gw-1", uplink="mqtt://h:1", device_drivers=("hl7://h",))
