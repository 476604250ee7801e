"""PostgreSQL: loads Arrow straight from the lake's objects by ADBC; only repeated rows need a staging table."""

from collections.abc import Iterator
from typing import Any, Final

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc

from cloud.lake import LakeError, Manifest, Store
from cloud.lake.parquet import from_parquet
from cloud.lake.schema import Table
from cloud.warehouse.ddl import POSTGRESQL, columns
from cloud.warehouse.port import WarehouseError

PIECE_ROWS: Final = 250_000
"""Rows at which a piece is loaded: with an object of at most as many again, some 200 MB."""


class PostgreSQL:
    """`Warehouse` on PostgreSQL.

    Args:
        url: libpq URL.
    """

    dialect = POSTGRESQL

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> Any:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        try:
            return adbc.connect(self._url)
        except adbc_driver_manager.Error as error:
            raise WarehouseError(f"cannot connect to WAREHOUSE: {error}") from error

    def execute(self, cursor: Any, statement: str, *values: str | int) -> None:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        first, *others = statement.split("?")
        cursor.execute(first + "".join(f"${n}{part}" for n, part in enumerate(others, 1)), values or None)

    def lock(self, cursor: Any, what: str) -> None:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        self.execute(cursor, "SELECT pg_advisory_xact_lock(hashtext(?))", f"wardwatch.{what}")

    def take(self, cursor: Any, table: Table, manifest: Manifest, store: Store) -> int:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`. If all rows are new, which is the rule, they are inserted into the table directly."""
        fresh = 0
        for rows in pieces(manifest, store, table):
            if _all_new(cursor, table, rows):
                fresh += int(cursor.adbc_ingest(table.name, rows, mode="append"))
            else:
                stage(cursor, rows)
                cursor.execute(_merge(table, manifest.columns))
                fresh += int(cursor.rowcount)
                cursor.execute("DROP TABLE stage")
        return fresh


def stage(cursor: Any, rows: pa.Table) -> None:  # noqa: ANN401 - see `Warehouse`
    """Copies rows into the temporary table `stage`, which it creates."""
    cursor.adbc_ingest("stage", rows, mode="create", temporary=True)


def _all_new(cursor: Any, table: Table, rows: pa.Table) -> bool:  # noqa: ANN401 - see `Warehouse`
    """Returns whether no row repeats another or one of the table, judged by ranges of the identity's last column.

    A device's readings of one boot are one range of numbers, so a few index lookups cover every row. For an identity
    that does not end in a number it returns False.

    Loaders work on one table in turn (`lock`), so the result remains true until the commit.
    """
    *run, number = table.identity
    if not pa.types.is_integer(rows.schema.field(number).type):
        return False
    told = [(number, "min"), (number, "max"), (number, "count"), (number, "count_distinct")]
    runs = rows.group_by(run).aggregate(told)
    if not pc.all(pc.equal(runs[f"{number}_count"], runs[f"{number}_count_distinct"])).as_py():
        return False
    cursor.adbc_ingest("runs", runs, mode="create", temporary=True)
    same = " AND ".join(f'held."{name}" = runs."{name}"' for name in run)
    cursor.execute(
        f"SELECT EXISTS (SELECT 1 FROM runs WHERE EXISTS (SELECT 1 FROM {table.name} AS held "  # noqa: S608 - our own names
        f'WHERE {same} AND held."{number}" BETWEEN runs."{number}_min" AND runs."{number}_max"))'
    )
    (met,) = cursor.fetchone()
    cursor.execute("DROP TABLE runs")
    return not met


def _merge(table: Table, columns_: tuple[str, ...]) -> str:
    """Returns the statement that inserts the rows of `stage` that are new by identity."""
    names = columns(columns_)
    # ON CONFLICT also skips repeats within the stage.
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM stage "  # noqa: S608 - names are our own tables'
        f"ON CONFLICT ({columns(table.identity)}) DO NOTHING"
    )


def _plain(field: pa.Field) -> pa.Field:
    """Converts a field's type: warehouse columns are UTC `timestamp` without zone."""
    return pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field


def pieces(manifest: Manifest, store: Store, table: Table) -> Iterator[pa.Table]:
    """Yields a manifest's rows in PostgreSQL's types, in pieces of whole objects that bound the memory.

    Raises:
        LakeError: An object could not be read.
    """
    schema = pa.schema([_plain(table.schema().field(name)) for name in manifest.columns])
    waiting: list[pa.Table] = []
    for held in manifest.objects:
        try:
            waiting.append(_rows(store.get(held.name), schema))
        except pa.ArrowInvalid as error:
            raise LakeError(
                f"{held.name} in the lake cannot be read: {error}; restore it from its object versions"
            ) from error
        if sum(map(len, waiting)) >= PIECE_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _rows(content: bytes, schema: pa.Schema) -> pa.Table:
    rows = from_parquet(content).select(schema.names)
    return pa.table([_clean(rows.column(f.name).cast(f.type)) for f in schema], schema=schema)


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replaces NUL, which PostgreSQL's text cannot hold: one in a name must not block the whole batch."""
    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring(column, "\0", "\ufffd")
