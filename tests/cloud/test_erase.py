"""Erasure and expiry, on a bucket that keeps versions, a real PostgreSQL and an in-memory log."""

import itertools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from cloud.archive.archive import Archive
from cloud.archive.commit_manifest import resume
from cloud.archive.decode_rows import Record as Archived
from cloud.archive.parquet_writer import Writer
from cloud.erase import erasure_log
from cloud.erase.erasure_log import Erasure
from cloud.erase.erasure_targets import StillAdmittedError
from cloud.erase.job import ErasureTargets, begin, erase
from cloud.erase.job import run as run_erase
from cloud.erase.retain_job import expire_lake, expire_warehouse
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.lake import LakeError, MutableStore, open_lake
from cloud.lake.parquet import from_parquet
from cloud.lake.read import scan
from cloud.lake.schema import ACTIONS, ALARMS, NOTIFICATIONS, PATIENTS, REFUSED, TABLES, VITALS
from cloud.warehouse import open_warehouse
from cloud.warehouse.job import Loader
from tests.cloud.replayed import T0, ward_of
from tests.cloud.warehouse import Ask, write
from vitals.admissions import Admission
from vitals.wire import topics

GONE, THERE = "p-5", "p-2"
NEVER = threading.Event()


class Site:
    """A ward's log, lake, warehouse and snapshots, of whose patients one has left."""

    def __init__(self, lake: str, snapshots: str, warehouse: str, admission: Callable[..., Admission]) -> None:
        self.layout, self.lake = Partitioning(1, 1), lake
        self.store, self.warehouse = open_lake(lake), open_warehouse(warehouse)
        self.ward = ward_of(self.layout, admission, steps=20)
        self.log = MemoryLog(lambda: self.ward.now)
        for place, records in self.ward.log.items():
            for record in records:
                self.log.append(place, b"" if record.value is None else _key(record.topic, record.value), record.value)
        self.ward.archive(lake)
        merged = {"alarm": "x", "n": 0, "patient": THERE, "contact": "c", "handover": 0, "t": T0, "accepted": T0}
        more = {"merged": f'["{GONE}.hr.1","{THERE}.hr.1"]'}
        write(self.store, NOTIFICATIONS, 1, [merged | more, merged | {"patient": GONE, "n": 1}])
        self.load()
        self.snapshots = open_lake(snapshots)
        self.snapshots.put("watch/p0.snapshot", b"\xa3" + GONE.encode())
        self.snapshots.put("watch/p0.snapshot", b"\xa3" + THERE.encode())

    def load(self) -> None:
        assert Loader(self.warehouse, self.store).turn(NEVER) == 0

    def where(self, lake: MutableStore | None = None) -> ErasureTargets:
        reader, writer = MemoryReader(self.log), MemoryWriter(self.log)
        return ErasureTargets(lake or self.store, self.snapshots, self.warehouse, reader, writer, self.layout)

    def archive_on(self) -> None:
        """The archive reads on, up to and with the tombstone."""
        job = Archive(self.store, {topic: resume(self.store, topic) for topic in TABLES})
        placed = [
            (topic, record.partition, Archived(record.offset, record.t, record.value))
            for topic in TABLES
            for record in self.log.records(topic)
            if record.offset >= job.progress[topic].next.get(record.partition, 0)
        ]
        job.commit(list(Writer(self.lake, job.progress, 1000).write(self.store, placed)))


def erased(where: ErasureTargets, patient: str, by: str, reason: str, now: int) -> tuple[Erasure, list[str]]:
    """One look of the command."""
    begun, waiting = erase(where, begin(where, patient, by, reason, now), now)
    return begun.erasure, waiting


def _key(topic: str, value: bytes) -> bytes:
    patient = value.partition(b'"patient":"')[2].partition(b'"')[0]
    return patient if topic == topics.PATIENTS else b""


@pytest.fixture
def bucket(moto: Mapping[str, str]) -> str:
    """A bucket of this test's own that keeps versions."""
    name = f"erase-{uuid4().hex}"
    s3 = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto["AWS_REGION"]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def site(url: str, tmp_path: Path, admission: Callable[..., Admission]) -> Site:
    return Site((tmp_path / "lake").as_uri(), (tmp_path / "snapshots").as_uri(), url, admission)


@pytest.fixture
def versioned(bucket: str, url: str, moto: Mapping[str, str], admission: Callable[..., Admission]) -> Site:
    options = moto["LAKE"].partition("?")[2]
    return Site(f"s3://{bucket}/lake?{options}", f"s3://{bucket}/snapshots?{options}", url, admission)


def versions(bucket: str, moto: Mapping[str, str]) -> list[bytes]:
    """The bytes of every version of every object."""
    s3 = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"])
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    kept = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", ())]
    return [s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read() for key, version in kept]


def patients(store: MutableStore) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for table in (each for each in TABLES.values() if each.patient_columns):
        parts = [set(part.column("patient").to_pylist()) for part in scan(store, table)]
        found[table.name] = set().union(*parts)
    return found


def test_a_patient_leaves_every_place_with_all_versions_and_others_stay(
    versioned: Site, bucket: str, moto: Mapping[str, str], ask: Ask
) -> None:
    site = versioned
    site.ward.now += 1000
    erasure, waiting = erased(site.where(), GONE, "officer", "asked for", site.ward.now)
    assert waiting == ["the archive has still to read 1 offsets of patients"]
    assert [(r.key, r.value) for r in site.log.records(topics.ADT)] == [(GONE.encode(), None)]
    last = site.log.records(topics.PATIENTS)[-1]
    assert (last.key, last.value) == (GONE.encode(), None)
    site.archive_on()
    site.load()
    erasure, waiting = erased(site.where(), GONE, "officer", "asked for", site.ward.now)
    assert (waiting, erasure.runs, erasure.finished) == ([], 2, site.ward.now)
    assert erasure.removed["lake vitals rows"] == erasure.removed["warehouse vitals rows"] == 10
    assert all(GONE not in found for found in patients(site.store).values())
    assert THERE in patients(site.store)["vitals"]
    for table in (each for each in TABLES.values() if each.patient_columns):
        assert ask(f"SELECT count(*) FROM {table.name} WHERE patient = '{GONE}'") == [(0,)]  # noqa: S608 - ours
    assert ask(f"SELECT count(*) > 0 FROM vitals WHERE patient = '{THERE}'") == [(True,)]  # noqa: S608 - ours
    assert ask("SELECT merged FROM notifications WHERE merged IS NOT NULL") == [(f'["{THERE}.hr.1"]',)]
    for content in versions(bucket, moto):
        rows = (
            str(from_parquet(content).to_pydict()) if content.startswith(b"PAR1") else content.decode(errors="replace")
        )
        assert GONE not in rows


def test_a_refusal_that_speaks_of_the_patient_leaves_and_others_stay(site: Site, ask: Ask) -> None:
    told = {"reported_by": "patients[0]@7", "t": T0}
    reasons = [f"admission of {GONE}: no cadence", f"admission of {THERE}: no cadence"]
    rows = [told | {"reason": reason, "source_offset": n} for n, reason in enumerate(reasons)]
    write(site.store, REFUSED, 1, rows)
    site.load()
    erased(site.where(), GONE, "officer", "", 1)
    assert [part.column("reason").to_pylist() for part in scan(site.store, REFUSED)] == [reasons[1:]]
    assert ask("SELECT reason FROM refused") == [(reasons[1],)]


def test_a_patients_incidents_leave_with_their_alarms_and_others_stay(site: Site, ask: Ask) -> None:
    told = {"n": 0, "phase": "start", "started": T0, "t": T0, "log_t": T0, "call": "page", "problems": '["rate-high"]'}
    of = [told | {"id": f"{p}.hr.9", "incident": f"{p}.hr.9", "patient": p, "subject": p} for p in (GONE, THERE)]
    acts = [{"id": p, "act": "acknowledge", "patient": p, "t": T0, "incident": f"{p}.hr.9"} for p in (GONE, THERE)]
    write(site.store, ALARMS, 7, of)
    write(site.store, ACTIONS, 7, acts)
    site.load()
    seen = "SELECT patient FROM incidents WHERE incident LIKE '%.hr.9' ORDER BY patient"
    assert ask(seen) == [(THERE,), (GONE,)]
    erased(site.where(), GONE, "officer", "", 1)
    assert ask(seen) == [(THERE,)]
    for table in (ALARMS, ACTIONS):
        left = {incident for part in scan(site.store, table) for incident in part.column("incident").to_pylist()}
        assert left & {f"{GONE}.hr.9", f"{THERE}.hr.9"} == {f"{THERE}.hr.9"}


def test_the_audit_line_says_who_and_how_much_and_names_nobody(site: Site) -> None:
    erased(site.where(), GONE, "officer", "asked for", 1)
    site.archive_on()
    erasure, _ = erased(site.where(), GONE, "officer", "asked for", 2)
    (name,) = site.store.names(erasure_log.FOLDER)
    line = site.store.get(name)
    assert GONE.encode() not in line
    assert b'"by":"officer"' in line
    assert b'"lake vitals rows":10' in line
    assert erasure_log.past(site.store, GONE) == [erasure]
    assert erasure_log.past(site.store, THERE) == []
    assert erasure.topics_until == 2 + 30 * 86_400_000


def test_a_second_erasure_finds_nothing_and_leaves_no_second_line(site: Site) -> None:
    erased(site.where(), GONE, "officer", "", 1)
    site.archive_on()
    first, _ = erased(site.where(), GONE, "officer", "", 2)
    assert erased(site.where(), GONE, "officer", "", 3) == (first, [])
    assert len(site.store.names(erasure_log.FOLDER)) == 1


def test_killed_at_any_step_it_is_gone_on_with_until_it_is_done(site: Site, ask: Ask) -> None:
    site.log.append((topics.PATIENTS, site.layout.partition(GONE)), GONE.encode(), None)
    site.archive_on()
    runs = 0
    for allowed in itertools.count(2):
        left = [allowed]

        def count(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise LakeError("killed")

        runs += 1
        try:
            erasure, waiting = erased(site.where(Dying(site.store, count)), GONE, "officer", "", 5)
        except LakeError:
            continue
        assert waiting == []
        break
    # The first run may have died before it was written down.
    assert erasure.runs in {runs, runs - 1}
    assert runs > 2
    assert all(GONE not in found for found in patients(site.store).values())
    assert ask(f"SELECT count(*) FROM vitals WHERE patient = '{GONE}'") == [(0,)]  # noqa: S608 - ours


class Dying:
    """A lake whose owner is killed at some write."""

    def __init__(self, store: MutableStore, count: Callable[[], None]) -> None:
        self.get, self.names, self.url = store.get, store.names, store.url
        self._store, self._count = store, count

    def put(self, name: str, content: bytes) -> None:
        self._count()
        self._store.put(name, content)

    def create(self, name: str, content: bytes) -> bool:
        self._count()
        return self._store.create(name, content)

    def remove(self, name: str) -> None:
        self._count()
        self._store.remove(name)

    def forget(self, name: str) -> None:
        self._count()
        self._store.forget(name)


def test_a_patient_in_a_bed_is_not_erased(site: Site) -> None:
    with pytest.raises(StillAdmittedError, match="in bed icu-77: run python -m cloud discharge first"):
        erased(site.where(), THERE, "officer", "", 1)
    assert site.store.names(erasure_log.FOLDER) == []


def test_what_is_too_old_leaves_lake_and_warehouse_and_admissions_stay(site: Site, ask: Ask) -> None:
    half = T0 + 52_000
    before = sum(len(part) for part in scan(site.store, VITALS))
    removed = expire_lake(site.store, VITALS, half, site.ward.now)
    assert 0 < removed < before
    assert sum(len(part) for part in scan(site.store, VITALS)) == before - removed
    assert expire_lake(site.store, VITALS, half, site.ward.now) == 0
    assert expire_lake(site.store, PATIENTS, 2**60, site.ward.now) == 0
    connection = site.warehouse.connect()
    counts = expire_warehouse(site.warehouse, connection, half)
    connection.close()
    assert 0 < counts["vitals"] < before
    assert ask("SELECT min(t) >= timestamp '2025-11-22 12:00:52' FROM vitals") == [(True,)]
    assert ask("SELECT patients FROM ward_census") == [(11,)]
    site.load()
    assert ask("SELECT count(*) FROM vitals") == [(before - counts["vitals"],)]


def test_the_command_says_which_setting_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_erase(["--patient", "p", "--by", "me"], {"KAFKA_BOOTSTRAP": "127.0.0.1:1"}) == 2
    assert "LAKE is not set" in capsys.readouterr().err
