"""The warehouse's SQL as text: what Redshift would refuse is found here, since no cluster is at hand."""

import re
import sys
from pathlib import Path

import psycopg
import pytest

import cloud.warehouse
from cloud.lake.manifests import Entry, Manifest, Meta, Object
from cloud.lake.open import S3Store
from cloud.lake.schema import TABLES as LAKE_TABLES
from cloud.lake.schema import VITALS, Table
from cloud.warehouse import open_warehouse
from cloud.warehouse.ddl import (
    POSTGRESQL,
    REDSHIFT,
    TABLES,
    VIEWS,
    add_columns,
    columns_of,
    create_tables,
    create_views,
    literal,
    statements,
)
from cloud.warehouse.redshift import Redshift
from vitals.signs import FIELDS

# Functions, types and clauses that Redshift lacks, or that mean something else there.
DENIED = """
generate_series; string_agg; array_agg; date_bin; listagg; median; qualify; lateral; unnest; now();
current_timestamp; is distinct from; is not distinct from; distinct on; filter (; filter(; values (; on
conflict; returning; jsonb; json ; uuid; serial; bytea; timestamptz;  text,; []; ::; using gin; create index;
create extension; interval '1 day'::; with recursive; exclude; similar to; grouping sets
"""
RESERVED = """
all analyse analyze and any array as asc between both case cast check collate column constraint create cross
default delta desc distinct do else end except explicit false for foreign from full grant group having in
initially inner intersect into is join leading left like limit natural new not null off offline offset old on
only open or order outer overlaps parallel partition percent permissions placing primary raw references
rejectlog resort restore right select similar snapshot some sysdate system table tag then timestamp to top
trailing true truncatecolumns union unique user using verbose wallet when where with without
"""


def shared_sql() -> list[str]:
    return [*create_tables(REDSHIFT), *create_views(REDSHIFT), *statements("history", REDSHIFT)]


@pytest.mark.parametrize("word", re.split("; ", " ".join(DENIED.split())))
def test_no_statement_for_redshift_uses_what_it_lacks(word: str) -> None:
    found = [s for s in shared_sql() if word in re.sub(r"\s+", " ", s.lower())]
    assert not found


@pytest.mark.parametrize("table", LAKE_TABLES.values(), ids=lambda t: t.name)
def test_no_column_is_a_word_that_redshift_reserves(table: Table) -> None:
    assert not set(RESERVED.split()) & set(table.names)


def test_no_view_names_a_column_with_a_reserved_word() -> None:
    aliases = {alias for s in create_views(REDSHIFT) for alias in re.findall(r"\bAS (\w+)", s)}
    assert not set(RESERVED.split()) & {alias.lower() for alias in aliases}


def test_every_sql_file_is_known_and_every_known_one_is_there() -> None:
    folder = Path(str(cloud.warehouse.__file__)).parent / "sql"
    assert {p.stem for p in (folder / "tables").glob("*.sql")} == set(TABLES)
    assert {p.stem for p in (folder / "views").glob("*.sql")} == set(VIEWS)


def test_keys_are_uncovered_for_redshift_alone_and_the_index_for_postgresql_alone() -> None:
    redshift, postgresql = statements("tables/vitals", REDSHIFT), statements("tables/vitals", POSTGRESQL)
    assert redshift[0].endswith("DISTKEY (patient) COMPOUND SORTKEY (t, patient)")
    assert (len(redshift), len(postgresql)) == (1, 2)
    assert "DISTKEY" not in "".join(postgresql)


@pytest.mark.parametrize("table", LAKE_TABLES.values(), ids=lambda t: t.name)
def test_the_columns_of_lake_and_warehouse_agree_in_order(table: Table) -> None:
    body = statements(f"tables/{table.name}", REDSHIFT)[0]
    columns = re.findall(r"^\s{4}(\w+) (?:varchar|bigint|timestamp|double|boolean)", body, flags=re.MULTILINE)
    assert tuple(c for c in columns if c not in {"valid_from", "valid_to"}) == table.names
    key = re.search(r"PRIMARY KEY \((.*?)\)", body)
    assert key is not None
    assert tuple(key[1].split(", ")) == table.identity


def test_a_column_that_an_earlier_version_lacks_is_added() -> None:
    present = columns_of("vitals", REDSHIFT)
    assert add_columns("vitals", present, REDSHIFT) == []
    assert add_columns("vitals", [c for c in present if c != FIELDS[-1]], REDSHIFT) == [
        f"ALTER TABLE vitals ADD COLUMN {FIELDS[-1]} double precision"
    ]


def test_a_view_stands_after_those_that_it_reads() -> None:
    for k, view in enumerate(VIEWS):
        text = " ".join(statements(f"views/{view}", REDSHIFT))
        assert not [later for later in VIEWS[k:] if re.search(rf"(FROM|JOIN) {later}\b", text)]


def test_a_view_with_percentiles_has_one_order_and_no_distinct_as_redshift_demands() -> None:
    for view in VIEWS:
        (text,) = statements(f"views/{view}", REDSHIFT)
        orders = set(re.findall(r"WITHIN GROUP \((ORDER BY .*?)\) AS", text))
        assert len(orders) <= 1
        assert not (orders and "count(DISTINCT" in text)


def test_no_view_reads_all_columns_of_a_table_by_name_of_a_sign() -> None:
    written = {p.name: p.read_text() for p in (Path(str(cloud.warehouse.__file__)).parent / "sql").rglob("*.sql")}
    named = {name for name, text in written.items() for field in FIELDS if re.search(rf"\b{field}\b", text.lower())}
    assert not named


def test_copy_reads_the_manifest_by_role_into_a_stage_of_the_objects_columns() -> None:
    redshift = Redshift("redshift://u:p@h/d", "arn:aws:iam::1:role/lake")
    name = "vitals.scored/date=2026-11-22/x.parquet"
    manifest = Manifest(
        entries=(Entry("s3://b/lake/x", True, Meta(9)),),
        topic=VITALS.topic,
        number=4,
        rows=1,
        columns=("device", "boot", "seq"),
        objects=(Object(name=name, rows=1, partition=0, first=0, last=0, t=(1, 1)),),
        offsets={0: (0, 0)},
        next={0: 1},
    )
    # Only the URL of the bucket is asked for; nothing is opened.
    stage, copy = redshift.copy(VITALS, manifest, S3Store(None, "b/lake"))
    assert stage == 'CREATE TEMP TABLE stage AS SELECT "device", "boot", "seq" FROM vitals WHERE 1 = 0'
    assert copy == (
        f"COPY stage FROM 's3://b/lake/{manifest.name}' IAM_ROLE 'arn:aws:iam::1:role/lake' FORMAT AS PARQUET MANIFEST"
    )


def test_redshift_inserts_each_identity_of_the_stage_once_and_only_when_it_is_new() -> None:
    merge = Redshift("redshift://u:p@h/d", "arn").merge(VITALS, ("device", "boot", "seq", "hr"))
    assert 'row_number() OVER (PARTITION BY "device", "boot", "seq" ORDER BY source_partition, source_offset)' in merge
    assert 'copy_n = 1 AND NOT EXISTS (SELECT 1 FROM vitals AS held WHERE held."device" = fresh."device" AND' in merge


def test_redshift_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redshift_connector", None)
    with pytest.raises(cloud.warehouse.WarehouseError, match=r"pip install 'wardwatch\[redshift\]'"):
        open_warehouse("redshift://u:p@h/d", "arn").connect()


@pytest.mark.parametrize(
    ("url", "say"), [("redshift://h/d", "WAREHOUSE_IAM_ROLE"), ("mysql://h/d", "postgresql:// or redshift://")]
)
def test_a_warehouse_that_is_none_is_refused_with_what_to_do(url: str, say: str) -> None:
    with pytest.raises(ValueError, match=re.escape(say)):
        open_warehouse(url)


class Cursor:
    """A cursor that keeps what it is given."""

    def __init__(self) -> None:
        self.paramstyle = "format"
        self.given: list[tuple[str, tuple[str | int, ...] | None]] = []

    def execute(self, statement: str, values: tuple[str | int, ...] | None = None) -> None:
        self.given.append((statement, values))


@pytest.mark.parametrize(
    ("address", "statement"),
    [("postgresql://h/d", "SELECT $1, a = $2"), ("redshift://u:p@h/d", "SELECT ?, a = ?")],
)
def test_values_are_sent_beside_the_sql(address: str, statement: str) -> None:
    cursor = Cursor()
    open_warehouse(address, "arn").execute(cursor, "SELECT ?, a = ?", "x' OR 1=1 --?", 7)
    assert cursor.given == [(statement, ("x' OR 1=1 --?", 7))]
    assert (cursor.paramstyle == "qmark") == (REDSHIFT in address)


def test_a_quote_in_a_literal_is_doubled() -> None:
    assert literal("o'brien") == "'o''brien'"


# Redshift reads a literal as PostgreSQL did before it followed the standard.
@pytest.mark.parametrize("standard", ["on", "off"])
@pytest.mark.parametrize(
    "patient", ["x\\' OR 1=1 --", "\\", "\\\\'", "a\\b", "'", "''; DROP TABLE vitals; --", "%_$$E'\\x27", "\\\n"]
)
def test_a_literal_is_what_was_meant_wherever_backslashes_escape_and_where_they_do_not(
    url: str, patient: str, standard: str
) -> None:
    options = f"-c standard_conforming_strings={standard} -c escape_string_warning=off"
    with psycopg.connect(url, options=options) as connection:
        ask = f"SELECT {literal(patient)}, 'other' = {literal(patient)}"
        assert connection.execute(ask).fetchall() == [(patient, False)]  # type: ignore[call-overload] # psycopg wants a literal
