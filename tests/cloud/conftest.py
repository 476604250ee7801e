"""Invented alarms, admissions, contacts and scored records for the tests of the cloud jobs."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from cloud.kafka.partitioning import Partitioning
from infra.local.ports import Ports
from infra.local.servers.sns.server import Options, Sns
from infra.local.stack import KAFKA, LocalStack
from tests.cloud.station import Station
from vitals import breach_codes, news2
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority, alarm_id
from vitals.contacts import Contact
from vitals.readings import Readings, concat, text
from vitals.wire.vitals_record import to_columns

MakeEvent = Callable[..., AlarmEvent]
T0 = 1_763_812_800_000


def make_event(patient: str | None = "p-1", condition: str = "spo2", start: int = T0, **changes: object) -> AlarmEvent:
    """An extreme SpO2 alarm that begins, unless told otherwise."""
    subject = str(changes.pop("subject", patient or "gw-icu"))
    values: dict[str, Any] = {
        "id": alarm_id(subject, condition, start),
        "n": 0,
        "subject": subject,
        "condition": condition,
        "kind": Kind.PHYSIOLOGICAL,
        "priority": Priority.HIGH,
        "phase": Phase.START,
        "state": AlarmState.ACTIVE,
        "start": start,
        "t": start,
        "log_t": start,
        "text": "SpO2 78 % below 85 % (extreme)",
        "value": 78.0,
        "limit": 85.0,
        "patient": patient,
        "ward": "icu",
        "bed": "icu-01",
    }
    return AlarmEvent(**(values | changes))


def make_admission(patient: str = "p-1", bed: str = "icu-01", since: int = T0, **changes: object) -> Admission:
    """An adult on the ICU, a reading a second."""
    values: dict[str, Any] = {
        "patient": patient,
        "version": since,
        "name": "Ada Brandt",
        "born": "1958-03-21",
        "phone": "+44 1632 960123",
        "address": "12 Rowan Road, Anytown",
        "ward": "icu",
        "bed": bed,
        "gateway": "gw-icu",
        "devices": (f"mon-{bed}",),
        "since": since,
        "cadence_s": 1.0,
    }
    return Admission(**(values | changes))


def make_contact(contact: str = "nurse", **changes: object) -> Contact:
    """Somebody who is always on duty."""
    values: dict[str, Any] = {
        "contact": contact,
        "name": "Bela Holt",
        "start": 0,
        "end": 2**53,
        "phone": "+441632960001",
        "email": f"{contact}@example.org",
    }
    return Contact(**(values | changes))


def make_reading(
    patient: str | None, t: int, spo2: float = 97, *, bed: str = "icu-01", seq: int = 0, gateway: str = "gw-icu"
) -> Readings:
    """One reading of a healthy patient but for SpO2."""

    def one(value: int) -> NDArray[np.int64]:
        return np.array([value], dtype=np.int64)

    values = np.array([[72, 72, 16, spo2, 36.8, 118, 76, 90]], dtype=np.float64)
    return Readings(
        text([patient]),
        text([f"mon-{bed}"]),
        text([gateway]),
        text(["icu"]),
        text([bed]),
        one(7),
        one(seq or t),
        one(t),
        one(t),
        one(1),
        one(0),
        one(0),
        values,
    )


def scored_value(partition: int, offset: int, *readings: Readings) -> bytes:
    """The value of a `vitals.scored` record, scored by NumPy; without readings a heartbeat."""
    joined = concat(list(readings))
    columns = to_columns(joined)
    if len(joined):
        columns["breach"] = breach_codes.pack(breach_codes.breach(joined.values, joined.bounds())).tolist()
        columns["news2"] = breach_codes.pack(news2.digits(joined.values)).tolist()
    return json.dumps(columns | {"partition": partition, "offset": offset}).encode()


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker of a module's own, for parts that read whole topics: other tests write to theirs."""
    with LocalStack(tmp_path_factory.mktemp("kafka"), ports=Ports.ephemeral(), parts=(), kafka_heap_mb=256) as stack:
        stack.up((KAFKA,))
        yield stack.env()["KAFKA_BOOTSTRAP"]
    # A JVM's main thread ends before the others: only now can its exit status be collected for certain.
    threading.Event().wait(1)
    stack.processes.end()


@pytest.fixture
def layout() -> Partitioning:
    """A small deployment."""
    return Partitioning(lanes=4, partitions=4)


@pytest.fixture
def station(layout: Partitioning) -> Iterator[Station]:
    """A notifier on an in-memory log."""
    # One thread: a task handed over after others is done after them.
    with ThreadPoolExecutor(1) as pool:
        yield Station(layout, pool)


@pytest.fixture
def event() -> MakeEvent:
    return make_event


@pytest.fixture
def admission() -> Callable[..., Admission]:
    return make_admission


@pytest.fixture
def contact() -> Callable[..., Contact]:
    return make_contact


@pytest.fixture
def reading() -> Callable[..., Readings]:
    return make_reading


@pytest.fixture
def scored() -> Callable[..., bytes]:
    return scored_value


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload] # psycopg wants a literal; the name is hex
        yield f"{postgres.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload] # see above


@pytest.fixture
def ask(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Asks that database."""

    def asked(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload] # psycopg wants a literal

    return asked


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sns]:
    """An SNS that confirms every address, and behaves badly when a test says so."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with Sns(Options(confirmed=True, emails_per_s=0)) as served:
        yield served
