"""The simulator as a process against a real Mosquitto, which the test may kill."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.waiting import until


class Broker(Protocol):
    port: int
    url: str

    def start(self) -> None: ...
    def kill(self) -> None: ...


class Listener(Protocol):
    messages: list[tuple[str, bytes]]

    def of(self, topic: str) -> list[bytes]: ...


Listen = Callable[..., Listener]


class Simulator:
    """`python -m firmware_sim` with a ledger."""

    def __init__(self, ledger: Path, *arguments: str) -> None:
        self.ledger = ledger
        argv = [sys.executable, "-m", "firmware_sim", "--ledger", str(ledger), "--artefacts", "0", *arguments]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), text=True
        )

    def lines(self, kind: str) -> list[dict[str, Any]]:
        if not self.ledger.exists():
            return []
        whole = self.ledger.read_text().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["k"] == kind]

    def identities(self, kind: str) -> set[tuple[str, int, int]]:
        return {(line["device"], line["boot"], line["seq"]) for line in self.lines(kind)}

    def first_sent(self, n: int) -> set[tuple[str, int, int]]:
        return {(line["device"], line["boot"], line["seq"]) for line in self.lines("sent")[:n]}

    def end(self, number: int | None = signal.SIGTERM) -> tuple[int, dict[str, Any]]:
        """Ends it (None waits for its own end); returns status and summary line."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        assert out, err
        return self.process.returncode, json.loads(out)


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Simulator]]:
    running: list[Simulator] = []

    def start(*arguments: str) -> Simulator:
        running.append(Simulator(tmp_path / f"ledger-{len(running)}.jsonl", *arguments))
        return running[-1]

    yield start
    for simulator in running:
        if simulator.process.poll() is None:
            simulator.process.kill()
        simulator.process.communicate()


def heard(listener: Listener) -> Counter[tuple[str, int, int]]:
    """Identities that arrived, and how often."""
    found: Counter[tuple[str, int, int]] = Counter()
    for topic, payload in list(listener.messages):
        _, device, name = topic.split("/")
        if name == "vitals":
            frame = json.loads(payload)
            found[device, frame["boot"], frame["seq"]] += 1
    return found


def test_every_acknowledged_reading_arrives_once_and_in_order(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    listener = listen(broker)
    status, summary = simulate("--ward", f"icu=12@{broker.url}", "--cadence", "0.2", "--duration", "3").end(None)
    assert (status, summary["pending"], summary["dropped"]) == (0, 0, 0)
    assert summary["acknowledged"] == summary["sent"] >= 100
    until(lambda: len(heard(listener)) == summary["sent"], "the arrival of all readings")
    assert set(heard(listener).values()) == {1}
    for n in range(1, 13):
        seqs = [json.loads(p)["seq"] for p in listener.of(f"devices/mon-icu-{n:02d}/vitals")]
        assert seqs == sorted(seqs)


def test_no_acknowledged_reading_is_lost_when_the_broker_is_killed_and_comes_back(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    # The gateway listens again a second after each start, while the devices' backlog is acknowledged before: that must
    # wait for it. It is listening when the broker is killed: Mosquitto acknowledges a moment before it saves, so a kill
    # while the gateway is away as well may cost the readings of that moment, whatever a device does.
    listener = listen(broker)
    simulator = simulate("--ward", f"icu=6@{broker.url}", "--cadence", "0.2")
    for _ in range(2):
        arrived = len(heard(listener))
        until(lambda n=arrived + 30: len(heard(listener)) > n, "thirty arrivals")  # type: ignore[misc] # mypy cannot infer a lambda with a default
        broker.kill()
        sent = len(simulator.lines("sent"))
        until(lambda n=sent + 30: len(simulator.lines("sent")) > n, "thirty readings without a broker")  # type: ignore[misc] # as above
        broker.start()
        until(lambda n=sent: simulator.identities("ack") >= simulator.first_sent(n), "the backlog's acknowledgement")  # type: ignore[misc] # as above
        acknowledged = simulator.identities("ack")
        until(lambda a=acknowledged: a <= heard(listener).keys(), "the arrival of what was acknowledged")  # type: ignore[misc] # as above
    status, summary = simulator.end()
    assert (status, summary["pending"], summary["dropped"]) == (0, 0, 0)
    until(lambda: simulator.identities("sent") <= heard(listener).keys(), "the arrival of every reading")


def test_a_device_is_online_while_it_runs_and_offline_after_it_left_or_was_killed(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    listener = listen(broker)
    topic = "devices/mon-icu-01/status"
    for number, history in ((signal.SIGTERM, 1), (signal.SIGKILL, 2)):
        simulator = simulate("--ward", f"icu=1@{broker.url}", "--cadence", "0.2")
        until(lambda h=history: listener.of(topic) == [b"online", b"offline"] * (h - 1) + [b"online"], "online")  # type: ignore[misc] # mypy cannot infer a lambda with a default
        simulator.process.send_signal(number)
        until(lambda h=history: listener.of(topic) == [b"online", b"offline"] * h, "offline")  # type: ignore[misc] # as above


def test_a_reading_that_nobody_subscribed_to_is_kept_until_a_gateway_is_there(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate("--ward", f"icu=2@{broker.url}", "--cadence", "0.2")
    until(lambda: len(simulator.lines("sent")) > 20, "twenty readings")
    assert simulator.lines("ack") == []
    listener = listen(broker)
    until(lambda: len(simulator.lines("ack")) > 20, "acknowledgement once there is a gateway")
    simulator.end()
    until(lambda: simulator.identities("sent") <= heard(listener).keys(), "the arrival of the first readings too")


def test_without_a_broker_the_end_is_bounded_and_what_is_pending_is_told(simulate: Callable[..., Simulator]) -> None:
    status, summary = simulate(
        "--ward", "icu=2@mqtt://127.0.0.1:9", "--cadence", "0.2", "--duration", "1", "--drain", "0.5"
    ).end(None)
    assert status == 1
    assert summary["pending"] == summary["sent"] > 0


def test_sigterm_drains_and_writes_the_summary_last(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    listen(broker)
    simulator = simulate("--ward", f"icu=4@{broker.url}", "--cadence", "0.2")
    until(lambda: len(simulator.lines("ack")) > 10, "ten acknowledgements")
    status, summary = simulator.end(signal.SIGTERM)
    assert status == 0
    last = json.loads(simulator.ledger.read_text().splitlines()[-1])
    assert last["k"] == "summary"
    assert {key: last[key] for key in summary} == summary
    assert summary["sent"] == len(simulator.lines("sent"))


def test_one_process_serves_two_gateways_each_with_its_own_devices(
    brokers: Callable[[], Broker], listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    icu, med = brokers(), brokers()
    at_icu, at_med = listen(icu), listen(med)
    simulate("--ward", f"icu=3@{icu.url}", "--ward", f"med=2@{med.url}", "--cadence", "0.2", "--duration", "1").end(
        None
    )
    assert {device for device, _, _ in heard(at_icu)} == {"mon-icu-01", "mon-icu-02", "mon-icu-03"}
    assert {device for device, _, _ in heard(at_med)} == {"mon-med-01", "mon-med-02"}


def test_faults_reach_the_wire_as_the_ledger_tells_them(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    listener = listen(broker)
    faults = "mon-icu-01:duplicate=0.3,mon-icu-02:reboot@1+0.5,mon-icu-03:late-burst@1+1.5,mon-icu-04:reorder=0.3"
    faults += ",mon-icu-05:battery@1+0.5"
    simulator = simulate("--ward", f"icu=5@{broker.url}", "--cadence", "0.1", "--duration", "3", "--faults", faults)
    status, summary = simulator.end(None)
    assert status == 0
    kept = simulator.identities("sent") - simulator.identities("dropped")
    until(lambda: kept <= heard(listener).keys(), "the arrival of all that was not forgotten")
    twice = {i for i, n in heard(listener).items() if n > 1}
    told = {(x["device"], x["boot"], x["seq"]) for x in simulator.lines("sent") if "duplicate" in x["faults"]}
    assert twice == told
    assert len({boot for device, boot, _ in kept if device == "mon-icu-02"}) == 2
    assert len({boot for device, boot, _ in kept if device == "mon-icu-05"}) == 2
    assert b"offline" in listener.of("devices/mon-icu-02/status")
    swapped = [json.loads(p)["seq"] for p in listener.of("devices/mon-icu-04/vitals")]
    assert swapped != sorted(swapped)
    assert summary["acknowledged"] + summary["dropped"] == summary["sent"]


def test_a_device_without_the_right_is_refused_and_nothing_of_it_counts_as_acknowledged(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator], tmp_path: Path
) -> None:
    listener = listen(broker)
    acl = tmp_path / f"broker-{broker.port}" / "acl"
    broker.kill()
    acl.write_text("topic read devices/#\npattern write devices/%c/status\n")
    broker.start()
    status, summary = simulate(
        "--ward", f"icu=1@{broker.url}", "--cadence", "0.2", "--duration", "1", "--drain", "0.5"
    ).end(None)
    assert status == 1
    assert summary["acknowledged"] == 0
    assert heard(listener) == Counter()


def test_the_ledger_survives_a_kill_with_every_reading_that_arrived(
    broker: Broker, listen: Listen, simulate: Callable[..., Simulator]
) -> None:
    listener = listen(broker)
    simulator = simulate("--ward", f"icu=6@{broker.url}", "--cadence", "0.1")
    until(lambda: len(heard(listener)) > 100, "a hundred readings")
    simulator.process.kill()
    simulator.process.wait()
    settled = threading.Event()
    settled.wait(0.2)
    assert heard(listener).keys() <= simulator.identities("sent")
