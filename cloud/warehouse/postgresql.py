"""PostgreSQL: Arrow straight from the lake's objects by ADBC, then one INSERT that passes over what is there."""

from collections.abc import Iterator
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc

from cloud.lake import Manifest, Store
from cloud.lake.objects import from_parquet
from cloud.lake.tables import Table
from cloud.warehouse.open import WarehouseError
from cloud.warehouse.schema import POSTGRESQL, columns, literal


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

    def lock(self, what: str) -> str:
        """See `Warehouse`."""
        return f"SELECT pg_advisory_xact_lock(hashtext({literal('wardwatch.' + what)}))"

    def stage(self, cursor: Any, table: Table, manifest: Manifest, store: Store) -> None:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        schema = pa.schema([_plain(table.schema().field(name)) for name in manifest.columns])
        batches = pa.RecordBatchReader.from_batches(schema, _batches(manifest, store, schema))
        cursor.adbc_ingest("stage", batches, mode="create", temporary=True)
        # Without statistics the planner takes the stage for tiny.
        cursor.execute("ANALYZE stage")

    def merge(self, table: Table, columns_: tuple[str, ...]) -> str:
        """See `Warehouse`."""
        names = columns(columns_)
        # ON CONFLICT passes over repetitions within the stage as well.
        return (
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM stage "  # noqa: S608 - names are our own tables'
            f"ON CONFLICT ({columns(table.identity)}) DO NOTHING"
        )


def _plain(field: pa.Field) -> pa.Field:
    """Warehouse columns are UTC `timestamp` without zone."""
    return pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field


def _batches(manifest: Manifest, store: Store, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """One object in memory at a time."""
    for entry in manifest.objects:
        rows = from_parquet(store.get(entry.name)).select(schema.names)
        yield from pa.table([_clean(rows.column(f.name).cast(f.type)) for f in schema], schema=schema).to_batches()


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """PostgreSQL's text holds no NUL: one in a name must not keep the whole batch out."""
    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring(column, "\0", "\ufffd")
