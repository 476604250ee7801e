"""The loader against a real PostgreSQL, from a lake in a directory."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pyarrow as pa
import pytest

from cloud.lake import LakeError, Store, open_lake
from cloud.lake.manifests import COMPACTION, Entry, Manifest, Meta, Object, manifest_names
from cloud.lake.objects import to_parquet
from cloud.lake.tables import ALARMS, NOTIFICATIONS, PATIENTS, TABLES, VITALS, Table
from cloud.load import Settings, load_all, load_until
from cloud.warehouse import Warehouse, WarehouseError, open_warehouse
from cloud.warehouse.schema import VIEWS
from vitals.signs import FIELDS

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z
HOUR = 3_600_000
NEVER = threading.Event()
Ask = Callable[[str], list[tuple[Any, ...]]]
Cell = str | int | float | bool | None


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"load_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload] # psycopg wants a literal; the name is hex
        yield f"{postgres.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload] # see above


@pytest.fixture
def warehouse(url: str) -> Warehouse:
    return open_warehouse(url)


@pytest.fixture
def ask(url: str) -> Ask:
    def asked(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload] # psycopg wants a literal

    return asked


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_lake((tmp_path / "lake").as_uri())


def write(store: Store, table: Table, number: int, given: list[dict[str, Any]], **more: object) -> Manifest:
    """Archives rows as one manifest with one object; times are given in ms."""
    times = {c.name for c in table.columns if c.kind == "time"}
    blank = {"source_partition": 0, "source_offset": number, "log_t": DAY, "t": DAY, "t_gw": DAY, "started": DAY}
    full = [{name: (blank | row).get(name) for name in table.names} for row in given]
    full = [{n: v * 1000 if n in times and v is not None else v for n, v in row.items()} for row in full]
    content = to_parquet(pa.Table.from_pylist(full, schema=table.schema()), table)
    name = f"{table.topic}/date=2026-11-22/{number}.parquet"
    store.put(name, content)
    manifest = Manifest(
        entries=(Entry(store.url(name), True, Meta(len(content))),),
        topic=table.topic,
        number=number,
        rows=len(given),
        columns=table.names,
        objects=(Object(name=name, rows=len(given), partition=0, first=number, last=number, t=(DAY, DAY)),),
        offsets={0: (number, number)},
        next={0: number + 1},
    )
    manifest = msgspec.structs.replace(manifest, **more)
    store.put(manifest.name, manifest.encode())
    return manifest


def reading(seq: int, **more: Cell) -> dict[str, Any]:
    return {"device": "d1", "boot": 7, "seq": seq, "patient": "p1", "ward": "w1", "hr": 72.0, "suspect": 0} | more


def test_every_row_of_every_manifest_is_loaded_once_however_often_it_runs(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0), reading(1)])
    write(store, VITALS, 2, [reading(2)])
    for _ in range(3):
        assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,), (2,)]
    assert ask("SELECT archived_rows, loaded_rows FROM load_log ORDER BY manifest") == [(2, 2), (1, 1)]


def test_a_reading_repeated_within_and_across_manifests_is_one_row(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0), reading(0), reading(1)])
    write(store, VITALS, 2, [reading(1), reading(2)])
    load_all(warehouse, store, NEVER)
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,), (2,)]
    assert ask("SELECT loaded_rows FROM load_log ORDER BY manifest") == [(2,), (1,)]


def test_four_loaders_at_once_on_a_fresh_database_load_everything_once(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    for number in range(1, 9):
        write(store, VITALS, number, [reading(number * 10 + i) for i in range(10)])
    with ThreadPoolExecutor(4) as pool:
        failed = [pool.submit(load_all, warehouse, store, NEVER) for _ in range(4)]
        assert [f.result() for f in failed] == [0, 0, 0, 0]
    assert ask("SELECT count(*), count(DISTINCT seq) FROM vitals") == [(80, 80)]
    assert ask("SELECT count(*), sum(loaded_rows) FROM load_log") == [(8, 80)]


def test_a_compaction_is_never_loaded(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0)])
    write(
        store,
        VITALS,
        2,
        [reading(0), reading(9)],
        kind=COMPACTION,
        supersedes=tuple(manifest_names(store, VITALS.topic)),
    )
    load_all(warehouse, store, NEVER)
    assert ask("SELECT seq FROM vitals") == [(0,)]


def test_a_manifest_that_cannot_be_loaded_leaves_nothing_and_stops_no_other(
    warehouse: Warehouse, store: Store, ask: Ask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = write(store, VITALS, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1)])
    content = store.get(first.objects[0].name)
    store.put(first.objects[0].name, b"cut short")
    assert load_all(warehouse, store, NEVER) == 1
    assert ask("SELECT seq FROM vitals") == [(1,)]
    assert "is not loaded and will be tried again" in caplog.text
    store.put(first.objects[0].name, content)
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,)]


def test_an_empty_batch_is_logged_as_loaded(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0)], rows=0, objects=(), entries=())
    load_all(warehouse, store, NEVER)
    assert ask("SELECT archived_rows FROM load_log") == [(0,)]


def test_a_nul_in_a_text_keeps_nothing_out(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0, bed="b\0d")])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT bed FROM vitals") == [("b\ufffdd",)]


def test_a_new_sign_becomes_a_column_of_the_table_that_is_there(
    warehouse: Warehouse, store: Store, ask: Ask, url: str
) -> None:
    load_all(warehouse, store, NEVER)
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE vitals DROP COLUMN {FIELDS[-1]} CASCADE")  # type: ignore[call-overload] # a sign
    write(store, VITALS, 1, [reading(0, **{FIELDS[-1]: 81.0})])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask(f"SELECT {FIELDS[-1]} FROM vitals") == [(81.0,)]  # noqa: S608 - a sign's field


def test_objects_from_before_a_sign_was_added_load_beside_newer_ones(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    older = replace(VITALS, columns=VITALS.columns[:-1])
    write(store, older, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1, **{FIELDS[-1]: 81.0})])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask(f"SELECT seq, {FIELDS[-1]} FROM vitals ORDER BY seq") == [(0, None), (1, 81.0)]  # noqa: S608 - a sign


def test_patients_keep_their_history_of_beds(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    def version(number: int, bed: str, since: int, log_t: int, **more: Cell) -> dict[str, Any]:
        return {
            "patient": "p1",
            "version": number,
            "ward": "w1",
            "bed": bed,
            "since": since,
            "log_t": log_t,
            "canary": False,
        } | more

    write(store, PATIENTS, 1, [version(1, "b1", DAY, DAY + HOUR)])
    load_all(warehouse, store, NEVER)
    assert ask("SELECT patients FROM ward_census") == [(1,)]
    limits_changed = version(2, "b1", DAY, DAY + 2 * HOUR)
    moved = version(3, "b2", DAY + 3 * HOUR, DAY + 4 * HOUR)
    left = version(4, "b2", DAY + 3 * HOUR, DAY + 6 * HOUR, discharged=DAY + 5 * HOUR)
    write(store, PATIENTS, 2, [left, moved, limits_changed])
    load_all(warehouse, store, NEVER)
    hours = "extract(epoch FROM {} - timestamp '2026-11-22')::int / 3600"
    begins, ends = hours.format("valid_from"), hours.format("valid_to")
    got = ask(f"SELECT bed, {begins}, {ends} FROM patients ORDER BY version")  # noqa: S608 - written above
    assert got == [("b1", 0, 2), ("b1", 2, 3), ("b2", 3, 5), ("b2", 5, 5)]
    assert ask("SELECT patients FROM ward_census") == []


def test_views_answer_from_what_was_loaded(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(
        store,
        VITALS,
        1,
        [reading(0, t=DAY), reading(1, t=DAY + 1000, hr=131.0), reading(2, t=DAY, patient=None, suspect=1)],
    )
    step = {"id": "p1.hr.1", "subject": "p1", "patient": "p1", "ward": "w1", "condition": "hr", "kind": "physiological"}
    start = step | {"n": 0, "phase": "start", "priority": 3, "inactivation": "enabled"}
    end = step | {"n": 1, "phase": "end", "priority": 2, "inactivation": "acknowledged", "t": DAY + HOUR}
    write(store, ALARMS, 1, [start, end])
    sent = {
        "alarm": "p1.hr.1",
        "n": 0,
        "patient": "p1",
        "contact": "anna",
        "handover": 0,
        "sns": "m",
        "accepted": DAY + 900,
    }
    write(store, NOTIFICATIONS, 1, [sent, sent | {"contact": "ben", "sns": None, "accepted": DAY + 1100}])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT patient, hr FROM latest_vitals") == [("p1", 131.0)]
    assert ask("SELECT readings, unassigned, suspect FROM readings_per_hour") == [(3, 1, 1)]
    assert ask("SELECT ward, priority, alarms FROM alarms_per_hour") == [("w1", 3, 1)]
    assert ask("SELECT highest_priority, ended > started, acknowledged IS NOT NULL, messages FROM alarm_timeline") == [
        (3, True, True, 2)
    ]
    assert ask("SELECT messages, failed, p50_s, max_s::float FROM delivery_latency") == [(2, 1, 1.0, 1.1)]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_nothing_is_empty(warehouse: Warehouse, store: Store, ask: Ask, view: str) -> None:
    load_all(warehouse, store, NEVER)
    assert ask(f"SELECT * FROM {view}") == []  # noqa: S608 - one of our views


def test_once_loads_and_exits_and_says_when_the_warehouse_is_not_there(
    url: str, store: Store, tmp_path: Path, ask: Ask
) -> None:
    lake = (tmp_path / "lake").as_uri()
    write(store, VITALS, 1, [reading(0)])
    assert load_until(Settings(lake=lake, warehouse=url, load_once=True), NEVER) == 0
    assert ask("SELECT count(*) FROM vitals") == [(1,)]
    nowhere = "postgresql://u:p@127.0.0.1:1/none?connect_timeout=2"
    assert load_until(Settings(lake=lake, warehouse=nowhere, load_once=True), NEVER) == 1


def test_a_stop_finishes_the_manifest_under_way_and_begins_no_other(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1)])
    stop = threading.Event()

    class Stopping:
        """The lake, at whose first object a stop arrives."""

        put, names, url = store.put, store.names, store.url

        def get(self, name: str) -> bytes:
            stop.set()
            return store.get(name)

    load_all(warehouse, Stopping(), stop)
    assert ask("SELECT seq FROM vitals") == [(0,)]


def test_the_lake_is_not_read_when_its_manifest_is_loaded(warehouse: Warehouse, store: Store) -> None:
    write(store, VITALS, 1, [reading(0)])
    load_all(warehouse, store, NEVER)

    class Listed:
        """The lake, which may be listed and not read."""

        put, names, url = store.put, store.names, store.url

        def get(self, name: str) -> bytes:
            raise LakeError(f"{name} was read")

    assert load_all(warehouse, Listed(), NEVER) == 0


def test_a_refused_statement_is_an_error_that_quotes_the_warehouse(warehouse: Warehouse) -> None:
    connection = warehouse.connect()
    try:
        from cloud.warehouse.load import loaded  # noqa: PLC0415 - used here alone

        with pytest.raises(WarehouseError, match="load_log"):
            loaded(warehouse, connection, next(iter(TABLES)))
    finally:
        connection.close()
