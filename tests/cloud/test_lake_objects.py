import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud.lake.manifests import (
    COMPACTION,
    BadManifestError,
    Entry,
    Manifest,
    Meta,
    Object,
    last_manifest,
    manifest_names,
    read_manifest,
)
from cloud.lake.open import open_lake
from cloud.lake.parquet import from_parquet, object_name, ordered, to_parquet
from cloud.lake.schema import ACTIONS, ALARMS, NOTIFICATIONS, PATIENTS, TABLES, VITALS, Column, Table
from cloud.lake.store import Store
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Notification
from vitals.signs import FIELDS

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z


def rows(table: Table, **columns: list[Any]) -> pa.Table:
    n = len(next(iter(columns.values())))
    return pa.table([pa.array(columns.get(f.name, [None] * n), f.type) for f in table.schema()], schema=table.schema())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_lake(tmp_path.as_uri())


def manifest(number: int, kind: str = "batch", first: int = 0) -> Manifest:
    name = f"alarms/date=2026-11-22/alarms-0-{first}-5.parquet"
    return Manifest(
        entries=(Entry(f"s3://b/{name}", True, Meta(9)),),
        topic="alarms",
        kind=kind,
        number=number,
        rows=6,
        columns=ALARMS.names,
        objects=(Object(name=name, rows=6, partition=0, first=first, last=5, t=(DAY, DAY)),),
        offsets={0: (first, 5)},
        next={0: 6},
    )


def test_objects_are_named_by_partition_offsets_and_log_day() -> None:
    assert object_name("alarms", 3, 10, 99, log_ms=DAY - 1) == "alarms/date=2026-11-21/alarms-3-10-99.parquet"
    assert object_name("alarms", 3, 10, 99, log_ms=DAY) == "alarms/date=2026-11-22/alarms-3-10-99.parquet"


def test_rows_are_sorted_by_patient_then_time_and_unassigned_ones_come_first() -> None:
    table = rows(VITALS, patient=["p2", None, "p1", "p2", "p1"], t=[5, 9, 7, 4, 7], seq=[0, 1, 2, 3, 4])
    got = ordered(table, VITALS)
    assert got.column("patient").to_pylist() == [None, "p1", "p1", "p2", "p2"]
    assert got.column("seq").to_pylist() == [1, 2, 4, 3, 0]


def test_timestamps_are_int64_microseconds_utc_and_columns_zstd() -> None:
    content = to_parquet(rows(VITALS, patient=["p"], t=[DAY * 1000]), VITALS)
    file = pq.ParquetFile(io.BytesIO(content))
    column = file.schema.column(list(file.schema.names).index("t"))
    assert column.physical_type == "INT64"
    assert '"isAdjustedToUTC":true,"timeUnit":"microseconds"' in column.logical_type.to_json()
    assert file.schema_arrow.field("t").type == pa.timestamp("us", tz="UTC")
    assert {file.metadata.row_group(0).column(i).compression for i in range(file.metadata.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_rows_read_back_as_they_were_written(table: Table) -> None:
    some = {"text": "é", "json": "{}", "integer": -7, "number": 36.8, "flag": True, "time": DAY * 1000}
    written = rows(table, **{c.name: [some[c.kind], None] for c in table.columns})
    assert from_parquet(to_parquet(written, table)).equals(written)


def test_every_sign_is_a_column_and_signs_come_last() -> None:
    assert VITALS.names[-len(FIELDS) :] == FIELDS


@pytest.mark.parametrize(
    ("table", "event"), [(ALARMS, AlarmEvent), (NOTIFICATIONS, Notification), (PATIENTS, Admission), (ACTIONS, Action)]
)
def test_every_field_of_an_event_has_its_column(table: Table, event: type[msgspec.Struct]) -> None:
    fields = {column.field for column in table.columns}
    assert set(event.__struct_fields__) <= fields
    assert fields - set(event.__struct_fields__) <= {"log_t", "source_partition", "source_offset"}


def test_a_column_that_is_none_of_the_kinds_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'uuid'"):
        Column("x", "uuid")


def test_a_table_without_its_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="identity"):
        Table("x", "x", ("id",), (), (Column("n", "integer"),))


def test_manifests_list_in_order_of_commit_and_compactions_apart(store: Store) -> None:
    for m in (manifest(2, first=3), manifest(10, first=4), manifest(1), manifest(3, kind=COMPACTION)):
        store.put(m.name, m.encode())
    assert [read_manifest(store, n).number for n in manifest_names(store, "alarms")] == [1, 2, 10]
    assert [read_manifest(store, n).kind for n in manifest_names(store, "alarms", COMPACTION)] == [COMPACTION]
    assert last_manifest(store, "alarms") == manifest(10, first=4)


def test_a_manifest_is_what_copy_takes() -> None:
    entries = manifest(1).encode().decode()
    assert '"entries":[{"url":"s3://b/alarms/' in entries
    assert '"mandatory":true,"meta":{"content_length":9}' in entries


def test_a_manifest_of_other_offsets_has_another_name() -> None:
    assert manifest(1).name != manifest(1, first=1).name


def test_a_damaged_manifest_is_an_error_that_names_it(store: Store) -> None:
    store.put(manifest(1).name, b'{"entries":[')
    with pytest.raises(BadManifestError, match="000000000001-batch"):
        last_manifest(store, "alarms")


def test_a_manifest_whose_rows_disagree_is_refused() -> None:
    wrong = manifest(1).encode().replace(b'"rows":6,"columns"', b'"rows":7,"columns"')
    with pytest.raises(ValueError, match="disagree"):
        Manifest.decode(wrong)


def test_other_files_beside_the_manifests_are_no_manifests(store: Store) -> None:
    store.put("alarms/_manifests/notes.txt", b"")
    assert manifest_names(store, "alarms") == []
