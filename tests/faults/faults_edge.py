"""Storms on the gateway: `make faults ONLY=edge`.

- `FAULTS_MUTATIONS` (1,000,000) generated frames, good ones of a neighbour between them, through the whole gateway;
- `FAULTS_KILLS` (20) kill -9 of the real process at random moments, between real Mosquittos;
- a card that fills up (a small tmpfs; needs root), a damaged database, a new card, with the real process;
- eight hours without an uplink, by an injected clock.

Loss is counted against what the gateway accepted. Everything is seeded; progress goes to standard error.
"""

import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from edge.devices.driver import DeviceMessage
from edge.gateway import Gateway
from edge.metrics import Metrics
from edge.settings import Settings
from edge.status import cli
from edge.store.open import open_outbox
from edge.store.sqlite import NAME, PAGE_BYTES
from edge.uplink.client import ConnectionChange, DownlinkMessage
from infra.local.stack import LocalStack
from tests.bench import bench_edge as bench
from vitals.readings import Readings, concat
from vitals.signs import FIELDS
from vitals.wire import uplink_batch

MUTATIONS = int(os.environ.get("FAULTS_MUTATIONS", "1000000"))
KILLS = int(os.environ.get("FAULTS_KILLS", "20"))
NOW: Final = bench.T0
GROUP: Final = 200
DEVICES: Final = 8
Identity = tuple[str, int, int]


def say(text: str) -> None:
    """Tells how far a storm is."""
    sys.stderr.write(text + "\n")


class Ward:
    """A gateway in this process, with its clock and both its sides in our hand."""

    def __init__(self, folder: Path, beds: int, cadence_s: float) -> None:
        self.now, self.mono = NOW, 1_000.0
        self.sent: list[bytes] = []
        self.acked = 0
        self.outbox = open_outbox(folder, NOW)
        settings = Settings(gateway=bench.GATEWAY, edge_data=folder, uplink="mqtt://nobody:1", commit_linger_ms=0)
        self.metrics = CollectorRegistry()
        self.gateway = Gateway(
            settings,
            self.outbox,
            [],
            self,
            metrics=Metrics(self.metrics),
            now_ms=lambda: self.now,
            settled=lambda: True,
            monotonic=lambda: self.mono,
        )
        self.gateway.receive(DownlinkMessage("roster", json.dumps(bench.roster(beds, cadence_s)).encode()))

    def show(self, bed: str, signal: bytes) -> None:
        """Takes a bed's signal."""

    def repeat(self) -> None:
        """Loses no signal."""

    def start(self) -> None:
        """Connects, as an uplink."""

    def publish(self, name: str, payload: bytes) -> None:
        """Takes what goes up, and confirms it."""
        if name != "vitals":
            return
        self.sent.append(payload)
        batch = uplink_batch.decode(payload)
        confirmed = {"outbox": batch.outbox, "ranges": [[batch.n, batch.n]]}
        self.gateway.receive(DownlinkMessage("confirmed", json.dumps(confirmed).encode()))

    def stop(self, goodbye: bytes, timeout_s: float) -> None:
        """Disconnects, as an uplink."""

    def device(self, name: str, payload: bytes) -> None:
        """A device sends."""
        self.gateway.receive(DeviceMessage(name, payload, self.now, self._acknowledged))

    def turn(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += int(1000 * seconds)
        self.mono += seconds
        self.gateway.cycle(self, self.mono)

    def counted(self, metric: str) -> int:
        """Sum of a metric over its labels."""
        samples = [s for m in self.metrics.collect() for s in m.samples if s.name == metric]
        return int(sum(sample.value for sample in samples))

    def _acknowledged(self, receipts: list[Any]) -> None:
        self.acked += len(receipts)


def frame(seq: int, t: int, boot: int = 7, **signs: float) -> dict[str, Any]:
    """A good message."""
    return {"boot": boot, "seq": seq, "t": t, **(signs or {"hr": 72, "spo2": 97, "rr": 16})}


ODD: Final[tuple[Any, ...]] = (
    None, "", "72", True, [], {}, -1, 0, 2**31, 2**53, 2**63, 2**64, 10**30, 1e308, -1e308, 1e-308, 0.1, [[]],
    ["teeth"], ["hr"] * 9, ["hr", None], {"hr": 1}, "\u0000", 300, 100.5, -0.0,
)  # fmt: skip
NAMES: Final = ("mon-bench-02", "mon-bench-03", "mon-nobody", "mon\u00e9", "", "x" * 128, "x" * 129, "x" * 500)
Mutate = Callable[[random.Random, dict[str, Any], bytes], bytes]


def _flip(rng: random.Random, _good: dict[str, Any], plain: bytes) -> bytes:
    spot = rng.randrange(len(plain))
    return plain[:spot] + bytes([rng.randrange(256)]) + plain[spot + 1 :]


def _number(rng: random.Random, _good: dict[str, Any], plain: bytes) -> bytes:
    word = rng.choice(["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "01", "1e5000", "-"])
    return plain.replace(b'"hr": 72', f'"hr": {word}'.encode())


def _clock(rng: random.Random, good: dict[str, Any], _plain: bytes) -> bytes:
    t = good["t"]
    edges = [0, 1, -t, t + 10**9, t - 10**9, t + 10**12, 253_402_300_799_000, 253_402_300_799_001]
    return json.dumps(good | {"t": rng.choice(edges)}).encode()


def _unknown(rng: random.Random, good: dict[str, Any], _plain: bytes) -> bytes:
    key = rng.choice(["patient", "device", "bed", "__proto__", "gl\u00fc"])
    return json.dumps(good | {key: rng.choice(ODD)}).encode()


def _wrong(rng: random.Random, good: dict[str, Any], _plain: bytes) -> bytes:
    return json.dumps(good | {rng.choice(["boot", "seq", "t", *FIELDS, "off"]): rng.choice(ODD)}).encode()


KINDS: Final[tuple[Mutate, ...]] = (
    _flip, _number, _clock, _unknown, _wrong, _wrong, _wrong,
    lambda rng, _good, _plain: rng.randbytes(rng.randrange(200)),
    lambda rng, _good, plain: plain[: rng.randrange(len(plain))],
    lambda rng, _good, _plain: rng.choice([b"[", b'{"a":', b'{"off":[', b'{"hr":[']) * rng.choice([10, 1_000, 4_000]),
    lambda rng, _good, plain: plain + b" " * rng.choice([1, 3_000, 4_096, 100_000]),
    lambda rng, good, _plain: json.dumps({k: v for k, v in good.items() if rng.random() < 0.8}).encode(),
    lambda _rng, _good, plain: plain[:-1] + b"," + plain[1:],
)  # fmt: skip


def mutation(rng: random.Random, seq: int, t: int) -> tuple[str, bytes]:
    """A device's name and a message with something wrong with it, or nothing."""
    good = frame(seq, t)
    return rng.choice(NAMES), rng.choice(KINDS)(rng, good, json.dumps(good).encode())


def well(seq: int) -> dict[str, float]:
    """A neighbour's signs: never the same for long, as a flat line is marked."""
    return {"hr": 72 + seq % 3, "spo2": 97, "rr": 16 + seq % 2}


def mutations(folder: Path) -> list[dict[str, Any]]:
    """No message crashes it, each is accepted or refused with a reason, and the neighbour loses nothing."""
    rng, ward = random.Random(4), Ward(folder, DEVICES, 1.0)  # noqa: S311 - a seed, no secret
    ward.gateway.receive(ConnectionChange(up=True))
    neighbour = total = 0
    began = time.monotonic()
    while total < MUTATIONS:
        for _ in range(GROUP):
            ward.device(*mutation(rng, rng.randrange(10**6), ward.now))
        total += GROUP
        ward.device("mon-bench-01", json.dumps(frame(neighbour, ward.now, **well(neighbour))).encode())
        neighbour += 1
        ward.turn(0.25)
        if total % 100_000 == 0:
            say(f"{total} mutations, {time.monotonic() - began:.0f} s")
    ward.turn(60)
    ward.turn(1)
    accepted, refused = (
        ward.counted("wardwatch_edge_accepted_readings_total"),
        ward.counted("wardwatch_edge_rejected_messages_total"),
    )
    repeated = ward.counted("wardwatch_edge_duplicate_readings_total")
    above = found_above(ward)
    mine = [k for k, device in enumerate(above.device.tolist()) if device == "mon-bench-01"]
    rates = {k: well(int(above.seq[k]))["hr"] for k in mine}
    wrong = [k for k in mine if above.suspect[k] or above.patient[k] != "p-0001" or above.values[k, 0] != rates[k]]
    lost = neighbour - len({int(above.seq[k]) for k in mine})
    ward.outbox.close()
    note = f"{total} mutations: {accepted - neighbour} readings, {refused} refused, {repeated} repeated"
    return [
        row("faults.edge.mutations_unaccounted", total + neighbour - accepted - refused - repeated, note),
        row("faults.edge.mutations_neighbours_harmed", lost + len(wrong), f"{neighbour} good readings between them"),
        row("faults.edge.mutations_unacknowledged", total + neighbour - ward.acked, "each is settled for its sender"),
    ]


def outage(folder: Path) -> list[dict[str, Any]]:
    """Eight hours without an uplink, then live readings while the backlog goes up."""
    ward = Ward(folder, 64, 30.0)
    truth: dict[Identity, int] = {}
    steps, after = 8 * 120, 20
    live_late = 0
    for step in range(steps + after):
        if step == steps:
            ward.gateway.receive(ConnectionChange(up=True))
        for k in range(1, 65):
            name = f"mon-bench-{k:02d}"
            hr = 130 if k == 1 and step >= steps else 72 + step % 3
            ward.device(name, json.dumps(frame(step, ward.now, hr=hr)).encode())
            truth[name, 7, step] = ward.now
        before = len(ward.sent)
        ward.turn(0)
        if step >= steps:
            told = {i for payload in ward.sent[before:] for i in uplink_batch.decode(payload).readings.identities()}
            live_late += ("mon-bench-01", 7, step) not in told
        for _ in range(30):
            ward.turn(1)
    above = found_above(ward)
    arrived = dict(zip(above.identities(), above.t.tolist(), strict=True))
    stale = [i for i, t in arrived.items() if abs(t - truth[i]) > 1_000]
    placed = misplaced(above)
    ward.outbox.close()
    return [
        row("faults.edge.outage_lost", len(truth.keys() - arrived.keys()), f"{len(truth)} readings, 8 h and 10 min"),
        row("faults.edge.outage_restamped", len(stale), "an old reading must not look new: none pages late"),
        row("faults.edge.outage_live_waits", live_late, f"{after} readings of a breach, each sent in the same turn"),
        row("faults.edge.outage_misplaced", placed, "readings under another patient's id"),
    ]


def found_above(ward: Ward) -> Readings:
    """Everything that went up."""
    return concat([uplink_batch.decode(payload).readings for payload in ward.sent])


def misplaced(readings: Readings) -> int:
    """How many readings are under another patient than the one on their device."""
    pairs = zip(readings.device.tolist(), readings.patient.tolist(), strict=True)
    return sum(patient not in {None, f"p-{int(device[-2:]):04d}"} for device, patient in pairs)


class Keeping(bench.Above):
    """Remembers every reading that arrived, and the alarms that statuses name."""

    def __init__(self, stack: LocalStack) -> None:
        self.parts: list[Readings] = []
        super().__init__(stack, DEVICES, 1.0)

    def took(self, readings: Readings) -> None:
        self.parts.append(readings)

    def identities(self) -> set[Identity]:
        return {identity for part in tuple(self.parts) for identity in part.identities()}


def remembered(data: Path) -> set[Identity]:
    """What the gateway says that it accepted."""
    return {
        (line["device"], line["boot"], seq)
        for line in cli.accepted(data)
        for first, last in line["ranges"]
        for seq in range(first, last + 1)
    }


def settled(above: Keeping, data: Path, accepted: set[Identity], what: str) -> set[Identity]:
    """Waits until all that is accepted by now is above; returns what is lost."""
    accepted = accepted | remembered(data)
    try:
        bench.wait(lambda: accepted <= above.identities(), what, 60)
    except TimeoutError as error:
        say(str(error))
    return accepted - above.identities()


def kills(stack: LocalStack, folder: Path, above: Keeping) -> list[dict[str, Any]]:
    """kill -9 at random moments, monitors sending all the time."""
    rng, data = random.Random(9), folder / "kills"  # noqa: S311 - a seed, no secret
    seen: set[Identity] = set()
    with bench.monitors(stack, DEVICES, 0.2, 6.0 * KILLS + 60):
        for k in range(KILLS):
            with bench.gateway(stack, data, UPLINK_FLUSH_S="0.5") as edge:
                if k % 2:
                    # Half of them die while they work, the others while they start.
                    before = len(remembered(data))
                    bench.wait(lambda was=before: len(remembered(data)) > was, "something accepted")
                bench.pause(rng.uniform(0.0, 2.0))
                edge.kill()
                edge.wait(10)
            seen |= remembered(data)
            say(f"kill {k + 1}: {len(seen)} accepted")
        with bench.gateway(stack, data, UPLINK_FLUSH_S="0.5"):
            lost = settled(above, data, seen, "everything accepted above")
    forgotten = seen - remembered(data)
    wrong = sum(misplaced(part) for part in above.parts)
    return [
        row("faults.edge.kill_lost", len(lost | forgotten), f"{len(seen)} readings accepted before {KILLS} kills"),
        row("faults.edge.kill_misplaced", wrong, f"{len(above.identities())} readings above"),
    ]


@contextmanager
def small_card(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)  # noqa: S603, S607 - fixed words
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - as above


def full_card(stack: LocalStack, folder: Path, above: Keeping) -> list[dict[str, Any]]:
    """The card fills up while monitors send; then somebody makes room."""
    told: Counter[str] = Counter()
    with small_card(folder / "card", "24m") as card, bench.monitors(stack, DEVICES, 0.2, 120):
        data = card / "edge"
        with bench.gateway(stack, data, log=folder / "full.log", STATUS_S="0.5", UPLINK_FLUSH_S="0.5") as edge:
            bench.pause(3)
            filler = card / "filler"
            fill(filler)
            bench.wait(lambda: "cannot be written" in (folder / "full.log").read_text(), "the gateway notices", 60)
            before = remembered(data)
            arrived = len(above.identities())
            bench.pause(8)
            told["passed on"] = len(above.identities()) - arrived
            filler.unlink()
            bench.pause(5)
            lost = settled(above, data, before, "everything accepted above")
            told["alive"] = edge.poll() is None
    note = f"{told['passed on']} readings went up while the card was full"
    return [
        row("faults.edge.full_card_lost", len(lost), note),
        row("faults.edge.full_card_died", int(not told["alive"]), "the gateway goes on"),
    ]


def fill(path: Path) -> None:
    """Writes until there is no room."""
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def damaged_card(stack: LocalStack, folder: Path, above: Keeping) -> list[dict[str, Any]]:
    """Pages of the database turn to garbage; then the card is replaced."""
    rng, data = random.Random(5), folder / "damaged"  # noqa: S311 - a seed, no secret
    log = data.with_suffix(".log")
    with bench.monitors(stack, DEVICES, 0.2, 180):
        with bench.gateway(stack, data, UPLINK="mqtt://127.0.0.1:9", UPLINK_FLUSH_S="0.5"):
            bench.pause(20)
        accepted = remembered(data)
        path = data / NAME
        spoilt = bytearray(path.read_bytes())
        for _ in range(2):
            page = rng.randrange(len(spoilt) // PAGE_BYTES // 2, len(spoilt) // PAGE_BYTES)
            spoilt[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = b"\xa5" * PAGE_BYTES
        path.write_bytes(spoilt)
        with bench.gateway(stack, data, UPLINK_FLUSH_S="0.5", STATUS_S="0.5"):
            aside = list(data.glob(f"{NAME}.damaged-*")) != []
            later = settled(above, data, set(), "what the new outbox accepted above")
            alarmed = "outbox-replaced" in (data / "state.json").read_text()
        rescued = len(accepted & above.identities())
        say(f"damaged: {rescued} of {len(accepted)} rescued; {log.read_text().count('damaged')} lines tell of it")
        shutil.rmtree(data)
        with bench.gateway(stack, data, UPLINK_FLUSH_S="0.5"):
            bench.pause(5)
            new = settled(above, data, set(), "what the new card accepted above")
    share = rescued / max(1, len(accepted))
    note = f"{rescued} of {len(accepted)} readings that only the damaged file held were read from it ({share:.0%})"
    return [
        row("faults.edge.damaged_lost_later", len(later) + len(new), "accepted by the new outbox and the new card"),
        row("faults.edge.damaged_silent", int(not (aside and alarmed)), f"set aside and told; {note}"),
    ]


def row(name: str, value: float, note: str) -> dict[str, Any]:
    """A count that must be none."""
    return {"name": name, "value": float(value), "unit": "count", "goal": 0, "better": "lower", "note": note}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    logging.getLogger("edge").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [*mutations(folder / "mutations"), *outage(folder / "outage")]
        for storm in (kills, full_card, damaged_card):
            say(storm.__name__)
            with bench.brokers() as stack:
                above = Keeping(stack)
                try:
                    found += storm(stack, folder, above)
                finally:
                    above.close()
    return found
