"""The command that erases, as a person runs it, on Kafka, S3 and PostgreSQL, while the ward goes on."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from uuid import uuid4

import boto3
import msgspec
import pytest

from cloud.archive.commit_manifest import resume
from cloud.archive.decode_rows import Record as Archived
from cloud.archive.job import Archive
from cloud.archive.parquet_writer import Writer
from cloud.cli import topics as topics_job
from cloud.erase.erasure_log import Erasure
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import Place
from cloud.kafka.transactional import TransactionalWriter
from cloud.lake import open_lake
from cloud.lake.parquet import from_parquet
from cloud.lake.read import scan
from cloud.lake.schema import TABLES, VITALS
from cloud.settings import Kafka, Topics
from cloud.warehouse import open_warehouse
from cloud.warehouse.job import Loader
from tests.cloud.conftest import MakeEvent
from tests.cloud.warehouse import Ask
from vitals.admissions import Admission
from vitals.alarm_events import encode
from vitals.readings import Readings
from vitals.wire import topics

GONE, THERE = "p-gone", "p-there"
NOW = 1_795_305_600_000
WITHIN_S = 60
pytestmark = pytest.mark.timeout(300)


class Ward(threading.Thread):
    """One partition that both patients share: it never stops growing, and its alarms come in transactions."""

    def __init__(self, settings: Kafka, write: Callable[["Ward", str], None]) -> None:
        super().__init__()
        self.settings = settings
        self.scored, self.alarms = KafkaWriter(settings, "ward"), TransactionalWriter(settings, f"ward-{uuid4().hex}")
        self.stopped, self.written, self._write = threading.Event(), 0, write

    def step(self, patient: str) -> None:
        self._write(self, patient)
        self.scored.flush()
        self.alarms.flush()
        self.written += 1

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            self.step(THERE)


class Archivist(threading.Thread):
    """What the archive and the loader do, without Spark: log to lake to warehouse, a batch after the other."""

    def __init__(self, ward: Ward, lake: str, warehouse: str) -> None:
        super().__init__()
        self.ward = ward
        self.lake, self.store, self.stopped = lake, open_lake(lake), threading.Event()
        self.job = Archive(self.store, {topic: resume(self.store, topic) for topic in TABLES})
        self.loader, self.reader = (
            Loader(open_warehouse(warehouse), self.store),
            KafkaReader(ward.settings, "archivist"),
        )
        self.reader.assign({(t.name, 0): 0 for t in topics.TOPICS if t.name in TABLES})

    def run(self) -> None:
        while not self.stopped.is_set():
            records = sorted(self.reader.read(0.5), key=lambda r: (r.topic, r.offset))
            placed = [(r.topic, r.partition, Archived(r.offset, r.t, r.value, r.key)) for r in records]
            self.job.commit(list(Writer(self.lake, self.job.progress).write(self.store, placed)))
            self.loader.turn(threading.Event())


@pytest.fixture
def settings(own_kafka: str) -> Kafka:
    topics_job.ensure(Topics(kafka_bootstrap=own_kafka, lanes=1, partitions=1))
    return Kafka(kafka_bootstrap=own_kafka, lanes=1, partitions=1)


@pytest.fixture
def lake(moto: Mapping[str, str]) -> str:
    """A lake of this test's own, in a bucket that keeps versions."""
    name = f"erase-{uuid4().hex}"
    s3 = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": moto["AWS_REGION"]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return f"s3://{name}/lake?{moto['LAKE'].partition('?')[2]}"


@pytest.fixture
def ward(
    settings: Kafka,
    admission: Callable[..., Admission],
    event: MakeEvent,
    reading: Callable[..., Readings],
    scored: Callable[..., bytes],
) -> Iterator[Ward]:
    places: dict[str, Place] = {name: (name, 0) for name in (topics.SCORED, topics.ALARMS, topics.PATIENTS)}

    def write(ward: Ward, patient: str) -> None:
        n = ward.written
        ward.scored.write(places[topics.SCORED], b"", scored(0, n, reading(patient, NOW + n, seq=n)))
        ward.alarms.write(places[topics.ALARMS], patient.encode(), encode(event(patient, n=n)))

    ward = Ward(settings, write)
    for patient, discharged in ((GONE, None), (THERE, None), (GONE, NOW)):
        made = admission(patient, f"bed-{patient}", version=NOW + (discharged is not None), discharged=discharged)
        ward.scored.write(places[topics.PATIENTS], patient.encode(), msgspec.json.encode(made))
        for _ in range(5):
            ward.step(patient)
    ward.start()
    yield ward
    ward.stopped.set()
    ward.join()


@pytest.fixture
def archivist(ward: Ward, lake: str, url: str) -> Iterator[Archivist]:
    archivist = Archivist(ward, lake, url)
    archivist.start()
    yield archivist
    archivist.stopped.set()
    archivist.join()


def erase(settings: Kafka, lake: str, warehouse: str, wait_s: float) -> tuple[int, str, str]:
    places = {"LAKE": lake, "WAREHOUSE": warehouse, "WATCH_SNAPSHOTS": lake.replace("/lake?", "/snapshots?")}
    log = {"KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "LANES": "1", "PARTITIONS": "1"}
    who = ["--patient", GONE, "--by", "officer", "--wait-s", str(wait_s)]
    asked = [sys.executable, "-m", "cloud", "erase", *who]
    done = subprocess.run(  # noqa: S603 - our own command
        asked, env=os.environ | places | log, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def every_version(lake: str, moto: Mapping[str, str]) -> list[str]:
    """What stands in every version of every object."""
    s3, bucket = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"]), lake.split("/")[2]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    kept = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", ())]
    bodies = [s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read() for key, version in kept]
    return [str(from_parquet(b).to_pydict()) if b.startswith(b"PAR1") else b.decode() for b in bodies]


def test_a_patient_is_erased_while_the_ward_goes_on_writing(
    archivist: Archivist, lake: str, url: str, ask: Ask, moto: Mapping[str, str]
) -> None:
    ward = archivist.ward
    status, line, problems = erase(ward.settings, lake, url, WITHIN_S)
    written = ward.written
    assert (status, problems) == (0, "")
    done = msgspec.json.decode(line, type=Erasure)
    assert done.finished is not None
    assert (done.is_of(GONE), done.by, done.runs, done.removed["tombstones"]) == (True, "officer", 1, 1)
    assert done.removed["lake vitals rows"] == done.removed["lake alarms rows"] == 10
    archivist.stopped.set()
    archivist.join()
    assert all(GONE not in content for content in every_version(lake, moto))
    for table in ("vitals", "alarms", "patients"):
        assert ask(f"SELECT count(*) FROM {table} WHERE patient = '{GONE}'") == [(0,)]  # noqa: S608 - ours
    # What had been read of the others is all there, each reading once, and the ward had not stopped.
    there = [seq for part in scan(archivist.store, VITALS) for seq in part.column("seq").to_pylist()]
    assert len(there) == len(set(there)) > 5
    assert ask(f"SELECT count(*) FROM vitals WHERE patient = '{THERE}'") == [(len(there),)]  # noqa: S608 - ours
    end = time.monotonic() + WITHIN_S
    while ward.written <= written:
        assert time.monotonic() < end


def test_while_the_archive_stands_the_command_says_what_it_waits_for_and_is_run_again(
    ward: Ward, lake: str, url: str
) -> None:
    assert ward.is_alive()
    status, _, problems = erase(ward.settings, lake, url, 0)
    assert status == 3
    assert "not finished: the archive has still to read" in problems
