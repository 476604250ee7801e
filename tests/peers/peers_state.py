"""Bytewax and the state tier on the same backlog in Kafka, one after the other and again: `make peers ONLY=state`.

Both read `vitals.scored` from its beginning with two workers, judge with the same rules (`vitals.engine`) and write
alarms to Kafka. Bytewax keys by partition and hands whole records to a stateful step, which is the best form of this
work for it; it keeps no snapshots, follows no trends, looks nobody's bed up and recovers nothing, so it does less. The
processor time of all processes of either is counted, from their start to their end of the backlog; start-up is measured
with an empty topic before and taken off. PATIENTS and MINUTES choose the backlog, ROUNDS how often.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psutil
from confluent_kafka.admin import AdminClient, NewTopic

from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader
from cloud.kafka.port import read_to_end
from cloud.settings import Topics, Watch
from infra.local.ports import Ports
from infra.local.stack import KAFKA, LocalStack
from tests.bench import bench_watch
from vitals.alarm_events import Phase, decode
from vitals.wire import topics

BYTEWAX: Final = "bytewax==0.21.1"
WORKERS: Final = 2
ROUNDS: Final = int(os.environ.get("ROUNDS", "2"))
ROOT: Final = Path(__file__).resolve().parents[2]
WITHIN_S: Final = 900


def environment(folder: Path) -> Path:
    """Makes Bytewax an environment of its own, beside what Wardwatch needs; returns its Python."""
    uv, python = str(Path(sys.executable).with_name("uv")), folder / "bytewax" / "bin" / "python"
    words = ["confluent-kafka", "msgspec", "numpy", "prometheus-client"]
    for argv in (
        [uv, "venv", "--python", sys.executable, str(folder / "bytewax")],
        [uv, "pip", "install", "--python", str(python), BYTEWAX, *words],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=WITHIN_S)  # noqa: S603 - our own words
    return python


def peer(python: Path, bootstrap: str, sink: str) -> tuple[float, float]:
    """Runs the flow to the end of the topic, one process a worker; returns wall clock and processor time, s."""
    # Held until it has answered: a client that is collected gives its requests up.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(sink, 16, 1)])[sink].result(30)
    env = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "PEER_TOPIC": sink, "PYTHONPATH": str(ROOT)}
    ports = Ports.ephemeral().metrics[:WORKERS]
    addresses = ";".join(f"127.0.0.1:{port}" for port in ports)
    began, spent = time.monotonic(), [0.0] * WORKERS
    running = [
        psutil.Popen(
            [str(python), "-m", "bytewax.run", "tests.peers.bytewax_flow", "-i", str(i), "-a", addresses],
            env=env,
            cwd=ROOT,
        )
        for i in range(WORKERS)
    ]
    try:
        while any(process.poll() is None for process in running):
            for i, process in enumerate(running):
                if process.poll() is None:
                    spent[i] = sum(process.cpu_times()[:2])
            if time.monotonic() - began > WITHIN_S:
                raise TimeoutError(f"Bytewax did not end in {WITHIN_S} s")
            time.sleep(0.1)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
            process.wait()
    return time.monotonic() - began, sum(spent)


def starts(bootstrap: str, topic: str) -> Counter[str]:
    """Returns how many alarms of each condition a topic holds."""
    settings = Watch(kafka_bootstrap=bootstrap, watch_snapshots="file:///unused")
    reader = KafkaReader(settings, "peer-alarms")
    records = read_to_end(reader, dict.fromkeys(settings.layout.places(topic), 0))
    reader.close()
    events = [decode(record.value) for record in records if record.value]
    return Counter(event.condition for event in events if event.phase is Phase.START)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `peers.json`."""
    with tempfile.TemporaryDirectory(prefix="peers-state-") as folder:
        return measured(Path(folder))


def measured(folder: Path) -> list[dict[str, Any]]:
    """Measures with all data, and Bytewax's environment, in a folder."""
    python, ports = environment(folder), Ports.ephemeral()
    with LocalStack(folder, ports=ports, parts=(KAFKA,), kafka_heap_mb=1024) as stack:
        bootstrap = stack.env()["KAFKA_BOOTSTRAP"]
        settings = Watch(
            kafka_bootstrap=bootstrap,
            watch_shards=WORKERS,
            watch_snapshots=(folder / "snapshots-0").as_uri(),
            ray_port=ports.ray,
            ray_auth_token=secrets.token_urlsafe(32),
        )
        topics_job.ensure(Topics(kafka_bootstrap=bootstrap))
        _, idle_cpu = peer(python, bootstrap, "peer-idle")
        count = bench_watch.fill(settings)
        ours: list[float] = []
        theirs: list[float] = []
        for turn in range(ROUNDS):
            _, cpu = peer(python, bootstrap, f"peer-{turn}")
            theirs.append(count / max(cpu - idle_cpu, 0.01))
            once = replace(settings, watch_snapshots=(folder / f"snapshots-{turn}").as_uri())
            _, cpu, found = bench_watch.run(once)
            ours.append(sum(shard.readings for shard in found) / cpu)
        told = starts(bootstrap, "peer-0"), starts(bootstrap, topics.ALARMS)
    note = f"{count:,} readings, best of {ROUNDS}; SpO2 alarms: Bytewax {told[0]['spo2']}, ours {told[1]['spo2']}"
    fields = {"unit": "readings per CPU-second", "goal": None, "better": "higher"}
    return [
        {"name": "peers.state_bytewax", "value": round(max(theirs), 1), "note": f"{BYTEWAX}, same engine", **fields},
        {"name": "peers.state_ours", "value": round(max(ours), 1), "note": note, **fields},
        {
            "name": "peers.state_ratio",
            "value": round(max(ours) / max(theirs), 2),
            "unit": "ours / Bytewax",
            "goal": 1.0,
            "better": "higher",
            "note": "ours with trends, past, beds and fencing; Bytewax without",
        },
    ]


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
