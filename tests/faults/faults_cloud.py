"""Kills of scoring, archive and loader under load: `make faults ONLY=cloud`.

The three run as they are shipped, beside Kafka, S3 (moto) and PostgreSQL, while readings flow in. Each is killed
20 times, with all it started, at a moment that the seed chooses, and started again; then the flow ends,
everything drains, and what was sent is held against lake and warehouse. A round of three kills takes about a minute
and a half on two free cores, the whole half an hour; `FAULTS_SHARE=0.1` does a tenth of it.

Another process that has to survive belongs into `VICTIMS`, with what tells its progress; what else has to be true at
the end into `CHECKS`: each returns what is wrong, one line a finding.
"""

import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from cloud.lake import MutableStore, manifest_names, open_lake, read_manifest
from cloud.lake.read import scan
from cloud.lake.schema import VITALS
from infra.local.ports import Ports
from infra.local.servers.moto import CREDENTIALS
from infra.local.services import start_tiers, tiers
from infra.local.stack import KAFKA, MOTO, POSTGRES, LocalStack
from tests.bench.source import Source, flow, place
from tests.support.waiting import within
from vitals.wire import topics

KILLS = max(1, round(20 * float(os.environ.get("FAULTS_SHARE", "1"))))
SEED = int(os.environ.get("FAULTS_SEED", "6"))
RATE = int(os.environ.get("FAULTS_RATE", "300"))
SETTINGS = {"ARCHIVE_INTERVAL_S": "1", "LOAD_INTERVAL_S": "1"}
PAUSE_S = 5.0
DEADLINE_S = 600.0


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"faults cloud: {line}\n")


@dataclass
class Storm:
    """What is stormed, and what is known of it."""

    stack: LocalStack
    store: MutableStore
    source: Source
    recovered_s: dict[str, list[float]] = field(default_factory=dict)

    def scored(self) -> int:
        """Records in `vitals.scored`."""
        consumer = Consumer({"bootstrap.servers": self.stack.env()["KAFKA_BOOTSTRAP"], "group.id": "faults"})
        places = [TopicPartition(topics.SCORED, p) for p in range(topics.LANES)]
        found = sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
        consumer.close()
        return found

    def archived(self) -> int:
        """Manifests of `vitals.scored`."""
        return len(manifest_names(self.store, topics.SCORED))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Asks the warehouse; nothing while its tables are not there."""
        with psycopg.connect(self.stack.warehouse_url()) as connection:
            try:
                return connection.execute(query).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    def loaded(self) -> int:
        """Entries of `load_log` for `vitals`."""
        found = self.ask(f"SELECT count(*) FROM load_log WHERE topic = '{topics.SCORED}'")  # noqa: S608 - a constant
        return int(found[0][0]) if found else 0


VICTIMS: dict[str, Callable[[Storm], int]] = {"score": Storm.scored, "archive": Storm.archived, "load": Storm.loaded}
"""By tier: a number that grows while it works."""


def lost_or_doubled(storm: Storm) -> tuple[int, int]:
    """Readings sent that the warehouse does not have, and readings that it has twice or that nobody sent."""
    have = Counter(place(device, seq) for device, seq in storm.ask("SELECT device, seq FROM vitals"))
    sent = {(lane, k) for lane, count in enumerate(storm.source.sent) for k in range(count)}
    return len(sent - have.keys()), have.total() - len(have) + len(have.keys() - sent)


def lake_is_consistent(storm: Storm) -> list[str]:
    """Manifests without gaps or overlaps, objects as they say, each source offset once."""
    found, wanted = [], dict[int, int]()
    manifests = [read_manifest(storm.store, name) for name in manifest_names(storm.store, topics.SCORED)]
    if [m.number for m in manifests] != list(range(1, len(manifests) + 1)):
        found.append("manifests are not numbered in turn")
    for manifest in manifests:
        for partition, (first, last) in manifest.offsets.items():
            if first != wanted.get(partition, 0):
                found.append(f"{manifest.name}: [{partition}] begins at {first}, not {wanted.get(partition, 0)}")
            wanted[partition] = last + 1
        sizes = [len(storm.store.get(o.name)) for o in manifest.objects]
        if sizes != [entry.meta.content_length for entry in manifest.entries]:
            found.append(f"{manifest.name}: objects are not as long as it says")
        found += [f"{manifest.name}: {manifest.rejected} records rejected"] * bool(manifest.rejected)
    rows: Counter[tuple[str, int]] = Counter()
    for part in scan(storm.store, VITALS, columns=("device", "seq")):
        rows.update(zip(*(column.to_pylist() for column in part.columns), strict=True))
    found += [f"lake: {rows.total() - len(rows)} rows are repeats"] * (rows.total() > len(rows))
    return found


def load_log_is_consistent(storm: Storm) -> list[str]:
    """Every manifest loaded once, its rows as archived, and as many in the table as the log says."""
    names = manifest_names(storm.store, topics.SCORED)
    logged = storm.ask(f"SELECT manifest, archived_rows, loaded_rows FROM load_log WHERE topic = '{topics.SCORED}'")  # noqa: S608 - a constant
    found = [f"{name} is loaded {n} times" for name, n in Counter(row[0] for row in logged).items() if n > 1]
    found += [f"{name} is not in load_log" for name in set(names) - {row[0] for row in logged}]
    archived = {name: read_manifest(storm.store, name).rows for name in names}
    found += [f"{name}: load_log says {rows} rows" for name, rows, _ in logged if rows != archived.get(name)]
    ((count,),) = storm.ask("SELECT count(*) FROM vitals")
    total = sum(row[2] for row in logged)
    return [*found, *[f"load_log says {total} rows, the table has {count}"] * (total != count)]


CHECKS: list[Callable[[Storm], list[str]]] = [lake_is_consistent, load_log_is_consistent]


@contextmanager
def standing() -> Iterator[LocalStack]:
    """Everything running, with nothing flowing yet."""
    os.environ.update(CREDENTIALS)  # pyarrow's S3 client finds them here alone
    with (
        tempfile.TemporaryDirectory(prefix="wardwatch-faults-") as folder,
        LocalStack(Path(folder), ports=Ports.ephemeral(), parts=(KAFKA, MOTO, POSTGRES)) as stack,
    ):
        mine = (tier for tier in tiers(stack) if tier.name in VICTIMS)
        # A loaded machine starts Spark late; how late is not judged here.
        chosen = [replace(t, settings={**t.settings, **SETTINGS}, ready_timeout_s=DEADLINE_S) for t in mine]
        start_tiers(stack, chosen)
        yield stack


@contextmanager
def flowing(found: Storm) -> Iterator[None]:
    """Readings, until the block ends."""
    stop = threading.Event()
    feed = threading.Thread(target=flow, args=(found.stack.env()["KAFKA_BOOTSTRAP"], found.source, RATE, stop, 0.1))
    feed.start()
    try:
        yield
    finally:
        stop.set()
        feed.join()


def drain(found: Storm) -> None:
    """Waits until nothing is under way any more."""
    until(lambda: found.ask("SELECT count(*) FROM vitals") == [(sum(found.source.sent),)], "all readings are loaded")
    until(lambda: found.loaded() == found.archived(), "all manifests are loaded")


def until(met: Callable[[], bool], what: str) -> None:
    """Waits for a condition; what does not come about is noted, not raised: the checks shall tell of it."""
    if not within(DEADLINE_S, met, 0.1):
        say(f"not within {DEADLINE_S:.0f} s: {what}")


def kill(found: Storm, name: str, chance: random.Random) -> None:
    """Kills a tier in the middle of its work, starts it again and notes when it works again."""
    grows, spec = VICTIMS[name], next(t for t in tiers(found.stack) if t.name == name).spec(found.stack, **SETTINGS)
    time.sleep(chance.uniform(0, PAUSE_S))
    found.stack.processes.kill(name)
    before, began = grows(found), time.monotonic()
    found.stack.processes.start(spec)
    until(lambda: grows(found) > before, f"{name} works again")
    found.recovered_s.setdefault(name, []).append(time.monotonic() - began)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    chance = random.Random(SEED)  # noqa: S311 - a storm that can be told again
    with standing() as stack:
        found = Storm(stack, open_lake(stack.env()["LAKE"]), Source())
        with flowing(found):
            for n in range(KILLS):
                for name in VICTIMS:
                    kill(found, name, chance)
                    say(f"round {n + 1} of {KILLS}: {name} works again after {found.recovered_s[name][-1]:.1f} s")
        drain(found)
        lost, doubled = lost_or_doubled(found)
        wrong = [line for check in CHECKS for line in check(found)]
    for line in wrong:
        say(f"wrong: {line}")
    killed = f"{KILLS} kills each of {', '.join(VICTIMS)} under {RATE} readings/s"
    sent = f"{sum(found.source.sent):,} readings sent"
    return [
        row("lost", lost, "readings", 0, f"{killed}; {sent}"),
        row("doubled", doubled, "readings", 0, f"{killed}; {sent}"),
        row("inconsistent", len(wrong), "findings", 0, "; ".join(wrong[:3]) or "manifests, load_log and rows agree"),
        *(
            row(f"{name}_restart_s", round(max(took), 1), "s", 30, f"longest of {len(took)}, median {median(took):.1f}")
            for name, took in found.recovered_s.items()
        ),
    ]  # fmt: skip


def row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    """One row; less is better."""
    return {"name": f"cloud.{name}", "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}
