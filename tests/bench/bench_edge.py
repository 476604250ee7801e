"""The gateway as a process between two real Mosquittos: `make bench ONLY=edge`.

`python -m firmware_sim` sends as 64 monitors do; this process stands for the bridge, reads every batch and confirms it.
CPU is what the kernel counts for the gateway's process alone (/proc/PID/stat), the brokers' and the simulator's are in
the note. Bytes to the card are what the kernel counts as caused by that process at the block layer
(`write_bytes` in /proc/PID/io): database, log of the database and state file, not the file system's own journal.
`BENCH_S` is the length of the measurement of costs, 60 s in five windows, of which the median counts; the outage of
`drain_8h` and `rescue_8h` is laid down as `BENCH_OUTAGE_H`, 8, hours of readings that ended an hour ago.
"""

import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.devices.driver import DeviceMessage
from edge.ingest.decode import Ingest, decode_message
from edge.ingest.dedup import SeenSequences
from edge.ingest.roster import no_assignments, updated
from edge.status import cli
from edge.store.open import open_outbox
from edge.store.sqlite import NAME, PAGE_BYTES
from firmware_sim.build import sources
from firmware_sim.device_message import encode
from firmware_sim.plan import DevicePlan, Plan
from infra.local.ports import Ports
from infra.local.process import base_env
from infra.local.stack import DEVICE_BROKERS, SITE_BROKER, LocalStack
from tests.bench.calibration import machine_ms
from vitals.readings import Readings, text
from vitals.signs import SIGNS
from vitals.wire import topics, uplink_batch
from vitals.wire.vitals_record import MAX_READINGS

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "gw-bench"
DAY_S = 86_400
T0 = 1_763_812_800_000
BEDS = 64
HOURS = float(os.environ.get("BENCH_OUTAGE_H", "8"))
SECONDS = float(os.environ.get("BENCH_S", "60"))
WINDOWS = 5
SETTLE_S = 15.0
TICKS = os.sysconf("SC_CLK_TCK")


def spent_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def written(pid: int) -> int:
    """Bytes that a process has caused to be written to the block device."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


def peak_mb(pid: int) -> float:
    """The largest resident memory of a process, MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class Above:
    """Stands for the bridge: takes batches, confirms them, keeps the gateway's roster."""

    def __init__(self, stack: LocalStack, beds: int, cadence_s: float) -> None:
        self.payloads: list[tuple[int, int]] = []
        self.delays_ms: list[int] = []
        self.old = 0
        identity = stack.identity("bridge")
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="bench", protocol=MQTTProtocolVersion.MQTTv5)
        tls = ssl.PROTOCOL_TLS_CLIENT
        self._client.tls_set(str(identity.ca), str(identity.cert), str(identity.key), tls_version=tls)
        self._client.on_message = lambda _c, _d, message: self._take(bytes(message.payload))
        url = urlsplit(stack.env()["UPLINK"])
        self._client.connect(url.hostname or "", url.port or 0)
        self._client.loop_start()
        wait(self._client.is_connected, "the bench at the site broker")
        self._client.subscribe(topics.gateway_topic(GATEWAY, "vitals"), 1)
        told = json.dumps(roster(beds, cadence_s))
        self._client.publish(topics.gateway_topic(GATEWAY, "roster"), told, qos=1, retain=True)

    def took(self, readings: Readings) -> None:
        """Sees every batch before it is confirmed."""

    def clear(self) -> None:
        self.payloads, self.delays_ms, self.old = [], [], 0

    def close(self) -> None:
        self._client.publish(topics.gateway_topic(GATEWAY, "roster"), b"", qos=1, retain=True).wait_for_publish(5)
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, payload: bytes) -> None:
        batch = uplink_batch.decode(payload)
        now = time.time_ns() // 1_000_000
        self.payloads.append((len(payload), len(batch.readings)))
        self.delays_ms.append(now - int(batch.readings.t_gw.max()))
        self.took(batch.readings)
        self.old += int((batch.readings.t_gw < now - 3_600_000).sum())
        confirmed = {"outbox": batch.outbox, "ranges": [[batch.n, batch.n]]}
        self._client.publish(topics.gateway_topic(GATEWAY, "confirmed"), json.dumps(confirmed))


def roster(beds: int, cadence_s: float) -> dict[str, Any]:
    """Each monitor on a patient of its own."""
    placements = [
        {"device": f"mon-bench-{k:02d}", "patient": f"p-{k:04d}", "ward": "bench", "bed": f"bench-{k:02d}",
         "since": 0, "cadence_s": cadence_s}
        for k in range(1, beds + 1)
    ]  # fmt: skip
    return {"gateway": GATEWAY, "version": T0 - 5_000, "placements": placements}


def pause(seconds: float) -> None:
    """Lets the parts work."""
    threading.Event().wait(seconds)


def wait(claim: Callable[[], Any], what: str, deadline_s: float = 60.0) -> None:
    """Waits, not for ever, until something is so."""
    deadline, gate = time.monotonic() + deadline_s, threading.Event()
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {deadline_s} s: {what}")
        gate.wait(0.05)


@contextmanager
def brokers() -> Iterator[LocalStack]:
    """One gateway's broker and the site's."""
    with tempfile.TemporaryDirectory() as folder:
        parts = (DEVICE_BROKERS, SITE_BROKER)
        with LocalStack(Path(folder), ports=Ports.ephemeral(1), gateways=(GATEWAY,), parts=parts) as stack:
            yield stack


@contextmanager
def gateway(
    stack: LocalStack, data: Path, *, log: Path | None = None, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The gateway's process, listening."""
    identity = stack.identity(GATEWAY)
    environ = base_env() | {
        "GATEWAY": GATEWAY,
        "DEVICE_BROKER": stack.device_broker_url(GATEWAY),
        "UPLINK": stack.env()["UPLINK"],
        "UPLINK_CA": str(identity.ca),
        "UPLINK_CERT": str(identity.cert),
        "UPLINK_KEY": str(identity.key),
        "EDGE_DATA": str(data),
        **settings,
    }
    data.mkdir(parents=True, exist_ok=True)
    log = log or data.with_suffix(".log")
    with (
        log.open("wb") as sink,
        subprocess.Popen([sys.executable, "-m", "edge"], env=environ, stderr=sink, cwd=ROOT) as running,
    ):
        try:
            wait(lambda: "listening to" in log.read_text(), "the gateway listening")
            yield running
        finally:
            running.terminate()
            running.wait(30)


@contextmanager
def monitors(stack: LocalStack, count: int, cadence_s: float, duration_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """Simulated monitors on the gateway's broker."""
    words = [f"bench={count}@{stack.device_broker_url(GATEWAY)}"]
    argv = [sys.executable, "-m", "firmware_sim", "--ward", *words, "--cadence", f"{cadence_s:g}"]
    argv += ["--duration", f"{duration_s:g}", "--seed", "11"]
    log = (stack.var / "sim.log").open("wb")
    with log, subprocess.Popen(argv, env=base_env(), stdout=log, stderr=log, cwd=ROOT) as sim:  # noqa: S603 - own words
        try:
            yield sim
        finally:
            sim.terminate()
            sim.wait(30)


def running_costs(stack: LocalStack, folder: Path, above: Above) -> list[dict[str, Any]]:
    """64 beds at 1 Hz: processor, memory, card."""
    told = ""
    with gateway(stack, folder / "costs") as edge, monitors(stack, BEDS, 1.0, SETTLE_S + SECONDS + 60) as sim:
        wait(lambda: above.payloads, "the first batch")
        pause(SETTLE_S)
        parts = {"edge": edge.pid, "simulator": sim.pid} | {n: p.pid for n, p in stack.processes.alive().items()}
        before = {name: (spent_s(pid), written(pid)) for name, pid in parts.items()}
        batches_before, first, began = len(above.payloads), accepted_count(folder / "costs"), time.monotonic()
        cpu_us, machine, last, accepted = [], [], before["edge"][0], first
        for _ in range(WINDOWS):
            machine.append(machine_ms())
            pause(SECONDS / WINDOWS)
            spent, came = spent_s(edge.pid), accepted_count(folder / "costs")
            cpu_us.append(1e6 * (spent - last) / (came - accepted))
            last, accepted = spent, came
        new, took = accepted - first, time.monotonic() - began
        cost = {n: (spent_s(pid) - before[n][0], written(pid) - before[n][1]) for n, pid in parts.items()}
        memory = peak_mb(edge.pid)
    sent = len(above.payloads) - batches_before
    note = f"median of {', '.join(f'{us:.0f}' for us in cpu_us)}; calibration {statistics.median(machine):.1f} ms; "
    note += f"{new} readings in {took:.0f} s, {sent} batches; beside it: "
    note += ", ".join(f"{name} {1e6 * cpu / new:.0f}" for name, (cpu, _) in cost.items() if name != "edge")
    told = f"write_bytes of the process, {cost['edge'][1] / took:.0f} B/s; beside it, MB/day: "
    told += ", ".join(f"{n} {size / took * DAY_S / 1e6:.0f}" for n, (_, size) in cost.items() if "broker" in n)
    return [
        row("edge.cpu_us", statistics.median(cpu_us), "us/reading", 125, note),
        row("edge.rss", memory, "MB", 128, "largest resident memory, 64 beds at 1 Hz"),
        row("edge.sd_mb_per_day", cost["edge"][1] / took * DAY_S / 1e6, "MB", 1000, told),
    ]


def accepted_count(data: Path) -> int:
    """Readings accepted so far, from the database."""
    lines = cli.accepted(data)
    return sum(last - first + 1 for line in lines for first, last in line["ranges"])


def drain(stack: LocalStack, folder: Path, above: Above) -> dict[str, Any]:
    """An outage is over: how long until the backlog is up, and how long live readings wait meanwhile."""
    data = folder / "drain"
    count, size = lay_down(data, int(HOURS * 3600))
    above.clear()
    with gateway(stack, data, UPLINK_FLUSH_S="1") as edge, monitors(stack, BEDS, 1.0, 600):
        wait(lambda: above.payloads, "the first batch")
        began, cpu = time.monotonic(), spent_s(edge.pid)
        wait(lambda: above.old >= count, "the backlog above", 900)
        took, cpu = time.monotonic() - began, spent_s(edge.pid) - cpu
    live = np.array(above.delays_ms)
    live = live[live < 3_600_000 / 2]
    delays = (
        f"live p50 {np.percentile(live, 50):.0f} ms, p99 {np.percentile(live, 99):.0f} ms" if len(live) else "no live"
    )
    note = f"{HOURS:g} h, {count} readings, {size / 1e6:.1f} MB; {delays}; {cpu:.1f} CPU s"
    return row("edge.drain_8h", took, "s", 300, note)


def rescue(stack: LocalStack, folder: Path) -> list[dict[str, Any]]:
    """A page in the middle of an outage's outbox turned to garbage: what the gateway takes to have it taken over."""
    data, log = folder / "rescue", folder / "rescue.log"
    count, size = lay_down(data, int(HOURS * 3600))
    path = data / NAME
    spoilt = bytearray(path.read_bytes())
    at = len(spoilt) // 2 // PAGE_BYTES * PAGE_BYTES
    spoilt[at : at + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(spoilt)
    nowhere = "mqtt://127.0.0.1:9"
    began = time.monotonic()
    with gateway(stack, data, log=log, UPLINK=nowhere) as edge, monitors(stack, BEDS, 1.0, 900):
        ready = time.monotonic() - began
        wait(lambda: accepted_count(data), "readings accepted meanwhile", 30)
        assert "is copied" not in log.read_text(), "readings were accepted before it was done"
        wait(lambda: "is copied" in log.read_text(), "all of it taken over", 900)
        took, memory = time.monotonic() - began, peak_mb(edge.pid)
    with gateway(stack, data, log=log, UPLINK=nowhere) as edge:
        after = peak_mb(edge.pid)
    with closing(open_outbox(data, time.time_ns() // 1_000_000)) as outbox:
        kept = sum(
            len(uplink_batch.decode(outbox.batches.payload(s.n) or b"").readings) for s in outbox.batches.after(0, -1)
        )
    note = (
        f"{count} readings, {size / 1e6:.1f} MB, one page spoilt; {ready:.1f} s until it listens, at 64 beds at 1 Hz; "
    )
    note += f"{kept} readings in kept batches afterwards; the start after it {after:.0f} MB"
    return [
        row("edge.rescue_8h", took, "s", 600, note),
        row(
            "edge.rescue_rss", max(memory, after), "MB", 150, "largest resident memory meanwhile and of the next start"
        ),
    ]


def lay_down(data: Path, seconds: int) -> tuple[int, int]:
    """Keeps the readings of an outage as a gateway that is cut off does; returns how many, and their bytes."""
    now = time.time_ns() // 1_000_000
    outbox = open_outbox(data, now)
    rng = np.random.default_rng(2)
    per_batch = MAX_READINGS // BEDS
    size = 0
    for start in range(0, seconds, per_batch):
        steps = min(per_batch, seconds - start)
        t = now - 1000 * (seconds - start) - 3_600_000
        part = readings_of(rng, steps, t, start)
        sealed = outbox.seal(GATEWAY, part, row=1, now=now, clock_s=0.0, urgent=False)
        size += sum(s.size for s in sealed)
        with outbox.transaction():
            outbox.batches.keep(sealed)
    outbox.close()
    return seconds * BEDS, size


def readings_of(rng: np.random.Generator, steps: int, t: int, first: int) -> Readings:
    """Readings of all beds, one a second."""
    n = steps * BEDS
    times = t + 1000 * np.repeat(np.arange(steps), BEDS) + np.tile(15 * np.arange(BEDS), steps)
    values = np.round(np.array([75, 75, 15, 97, 36.8, 125, 75, 92]) + rng.normal(0, 1, (n, len(SIGNS))))
    same = {name: text([name] * n) for name in ("ward", "bed", "gateway")}
    zero = np.zeros(n, dtype=np.int64)
    return Readings(
        patient=text([f"p-{k:04d}" for k in range(1, BEDS + 1)] * steps),
        device=text([f"mon-bench-{k:02d}" for k in range(1, BEDS + 1)] * steps),
        **same, boot=zero + 7, seq=first + np.repeat(np.arange(steps), BEDS), t=times, t_gw=times + 20,
        roster=zero + 1, suspect=zero, limits=zero, values=values,
    )  # fmt: skip


def uplink_bytes(cadence_s: float, seconds: int) -> float:
    """Bytes a reading in batches of 30 s, ten beds with all eight signs, by the gateway's own filter and codec."""
    names = [f"mon-bench-{k:02d}" for k in range(1, 11)]
    plan = Plan(
        devices=tuple(DevicePlan(device=d, broker="mqtt://nobody") for d in names), cadence_s=cadence_s, seed=11
    )
    source, rng = sources(plan, T0)[0], np.random.default_rng(1)
    boots, seqs = {d: int(rng.integers(2**32)) for d in names}, dict.fromkeys(names, 1_000)
    intake, book = (
        Ingest(GATEWAY, SeenSequences()),
        updated(no_assignments(GATEWAY), json.dumps(roster(10, cadence_s)).encode()),
    )
    size = count = n = 0
    waiting: list[Any] = []
    while (samples := sorted(source.next(), key=lambda s: s.at_s))[0].at_s < seconds:
        for sample in samples:
            t, device = T0 + int(1000 * sample.at_s), sample.device
            frame = encode(boots[device], seqs[device], t, sample.values, sample.off)
            waiting.append(
                decode_message(DeviceMessage(device, frame, t + int(rng.integers(2, 40)), lambda _receipts: None))
            )
            seqs[device] += 1
        if len(waiting) >= 10 * max(1, int(30 / cadence_s)):
            n += 1
            part = intake.take(waiting, book).readings
            size, count, waiting = (
                size + len(uplink_batch.encode(uplink_batch.Batch(GATEWAY, "5f1c20a9b3d4e687", n, part))),
                count + len(part),
                [],
            )
    return size / count


def row(name: str, value: float, unit: str, goal: float, note: str) -> dict[str, Any]:
    """Returns a row of `bench.json`."""
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": "lower", "note": note}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    note = "10 beds, 30 s batches, MQTT payload; simulated patients, arterial line"
    found = [
        row("edge.uplink_bytes_1hz", uplink_bytes(1.0, 600), "bytes/reading", 16, note),
        row("edge.uplink_bytes_30s", uplink_bytes(30.0, 3_600), "bytes/reading", 48, note),
    ]
    with brokers() as stack:
        above = Above(stack, BEDS, 1.0)
        try:
            return [
                *running_costs(stack, stack.var / "bench", above), drain(stack, stack.var / "bench", above),
                *rescue(stack, stack.var / "bench"), *found
            ]  # fmt: skip
        finally:
            above.close()


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
