"""Every answer of S3 to archive, compaction, erasure, retention and load is lost, doubled or delayed, by count.

Each job runs again after an error, as its daemon or its operator does. Then no row is lost, no manifest names a missing
object, and the warehouse has no repeat.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from cloud.archive.archive import Archive
from cloud.archive.commit_manifest import resume
from cloud.archive.decode_rows import Record
from cloud.archive.parquet_writer import Writer
from cloud.erase.retain_job import expire_lake
from cloud.lake import LakeError, MutableStore, open_lake
from cloud.lake.compact import compact, sweep
from cloud.lake.erase import erase
from cloud.lake.read import scan
from cloud.lake.schema import TABLES, VITALS
from cloud.warehouse import open_warehouse
from cloud.warehouse.job import Loader
from tests.cloud.conftest import make_reading, scored_value
from tests.cloud.lake_rows import DAY, LARGE, TOMORROW, batch, reading
from tests.support.http_relay import METHODS, Fault, HttpRelay

WEEK_MS: Final = 7 * 86_400_000
NEVER: Final = threading.Event()
Row = tuple[str, int]
GIVEN: Final = {(f"p{i % 2}", 10 * n + i) for n in range(2) for i in range(3)}


@dataclass(frozen=True)
class Site:
    """One lake behind the relay.

    Attributes:
        url: URL by way of the relay.
        store: The lake by way of the relay.
        direct: The same lake without it.
        warehouse: URL of the warehouse.
    """

    url: str
    store: MutableStore
    direct: MutableStore
    warehouse: str


def archive(site: Site) -> None:
    for first in (0, 3):
        records = [
            (VITALS.topic, 0, Record(k, DAY + k, scored_value(0, k, make_reading(f"p{k % 2}", DAY + k, seq=k + 1))))
            for k in range(first + 3)
        ]
        job = Archive(site.store, {topic: resume(site.store, topic) for topic in TABLES})
        job.commit(list(Writer(site.url, job.progress, 1000).write(site.store, records)))


def given(site: Site) -> None:
    for n in range(2):
        batch(site.direct, n + 1, [reading(10 * n + i, patient=f"p{i % 2}") for i in range(3)])


def compacted(site: Site) -> None:
    compact(site.store, VITALS, target_bytes=LARGE, now_ms=TOMORROW, run=uuid4().hex[:8])
    sweep(site.store, VITALS, keep_ms=WEEK_MS, now_ms=TOMORROW + WEEK_MS)


def erased(site: Site) -> None:
    erase(site.store, VITALS, "p1", now_ms=TOMORROW, run=uuid4().hex[:8])


def expired(site: Site) -> None:
    expire_lake(site.store, VITALS, DAY + 10, TOMORROW)


def loaded(site: Site) -> None:
    if Loader(open_warehouse(site.warehouse), site.store).turn(NEVER):
        raise LakeError("a manifest was not loaded")


@dataclass(frozen=True)
class Job:
    """A job, and what it must leave."""

    run: Callable[[Site], None]
    before: Callable[[Site], None]
    leaves: set[Row]


JOBS: Final = {
    "archive": Job(archive, lambda _: None, {(f"p{k % 2}", k) for k in range(6)}),
    "compact": Job(compacted, given, GIVEN),
    "erase": Job(erased, given, {row for row in GIVEN if row[0] != "p1"}),
    "retain": Job(expired, given, {row for row in GIVEN if row[1] >= 10}),
    "load": Job(loaded, given, GIVEN),
}


@pytest.fixture
def relay(moto: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpRelay]:
    # The client's pauses before its retries grow by chance up to seconds; what it sends again is the same without.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    with HttpRelay(urlsplit(moto["AWS_ENDPOINT_URL"]).port or 0) as relay:
        yield relay


def site_of(moto: Mapping[str, str], relay: HttpRelay, url: str) -> Site:
    base, _, options = moto["LAKE"].partition("?")
    place = f"{base}/{uuid4().hex}"
    through = f"{place}?endpoint_override=http://127.0.0.1:{relay.port}&region=eu-west-1"
    return Site(through, open_lake(through), open_lake(f"{place}?{options}"), url)


def struck(site: Site, relay: HttpRelay, job: Job, fault: Fault, methods: frozenset[str] = METHODS) -> int:
    """Runs a job under faults, again after each error, then without; returns the number of faults."""
    job.before(site)
    relay.arm(each_request(fault), methods)
    for _ in range(3):
        try:
            job.run(site)
            break
        except LakeError:
            continue
    found = relay.struck
    relay.disarm()
    job.run(site)
    return found


def each_request(fault: Fault) -> Callable[[int], Fault | None]:
    """Returns a fault of every request; after a lost or delayed one the next is its retry, which passes."""
    return lambda n: fault if fault is Fault.DOUBLED or n % 2 else None


def holds(site: Site, leaves: set[Row], ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """Compares lake and warehouse with what must be left, after the sweep of everything that a week makes past."""
    sweep(site.direct, VITALS, keep_ms=WEEK_MS, now_ms=TOMORROW + 10 * WEEK_MS)
    rows = [(r["patient"], r["source_offset"]) for part in scan(site.direct, VITALS) for r in part.to_pylist()]
    assert Counter(rows) == Counter(leaves)
    assert Loader(open_warehouse(site.warehouse), site.direct).turn(NEVER) == 0
    assert Counter(ask("SELECT patient, source_offset FROM vitals")) == Counter(leaves)


def cleared(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM vitals")
        connection.execute("DELETE FROM load_log")


@pytest.mark.parametrize("name", JOBS)
def test_a_job_survives_a_lost_answer_to_every_write(
    moto: Mapping[str, str], relay: HttpRelay, url: str, ask: Callable[[str], list[tuple[Any, ...]]], name: str
) -> None:
    site = site_of(moto, relay, url)
    writes = METHODS - {"GET", "HEAD"}
    assert struck(site, relay, JOBS[name], Fault.LOST, METHODS - writes if name == "load" else writes) > 1
    holds(site, JOBS[name].leaves, ask)


@pytest.mark.long
@pytest.mark.parametrize("name", JOBS)
def test_a_job_survives_each_fault_of_every_answer(
    moto: Mapping[str, str], relay: HttpRelay, url: str, ask: Callable[[str], list[tuple[Any, ...]]], name: str
) -> None:
    for fault in Fault:
        site = site_of(moto, relay, url)
        assert struck(site, relay, JOBS[name], fault) > 4
        holds(site, JOBS[name].leaves, ask)
        cleared(url)
