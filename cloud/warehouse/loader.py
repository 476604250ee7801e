"""Schema, log of loaded manifests, and loading of one manifest in one transaction, for every warehouse."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cloud.lake import Manifest, Store
from cloud.lake.schema import PATIENTS, TABLES
from cloud.warehouse.ddl import (
    POSTGRESQL,
    add_columns,
    change_key,
    columns,
    create_tables,
    create_views,
    digest,
    drop_views,
    statements,
)
from cloud.warehouse.ddl import TABLES as WAREHOUSE_TABLES
from cloud.warehouse.port import Warehouse, WarehouseError

_GETDATE = (
    "CREATE OR REPLACE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT now() AT TIME ZONE ''UTC'''"
)

_KEY = (
    "SELECT a.attname::text FROM pg_index AS i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) "
    "JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
    "WHERE i.indisprimary AND i.indrelid = ?::text::regclass ORDER BY k.place"
)


@contextmanager
def transaction(warehouse: Warehouse, connection: Any) -> Iterator[Any]:  # noqa: ANN401 - see `Warehouse.connect`
    """Yields a cursor; commits at the end, rolls back on an error.

    Raises:
        WarehouseError: A statement was refused.
    """
    with connection.cursor() as cursor:
        try:
            yield cursor
            connection.commit()
        except connection.Error as error:
            connection.rollback()
            raise WarehouseError(f"{warehouse.dialect} refused: {error}") from error
        except BaseException:
            connection.rollback()
            raise


def delete(warehouse: Warehouse, cursor: Any, table: str, condition: str, *values: str | int) -> int:  # noqa: ANN401 - see `Warehouse.connect`
    """Deletes a table's rows by a condition with a `?` for each value; returns their number."""
    # PostgreSQL's driver returns no row count for a statement with parameters.
    warehouse.execute(cursor, f"SELECT count(*) FROM {table} WHERE {condition}", *values)  # noqa: S608 - our own names
    (count,) = cursor.fetchone()
    if count:
        warehouse.execute(cursor, f"DELETE FROM {table} WHERE {condition}", *values)  # noqa: S608 - our own names
    return int(count)


def prepare(warehouse: Warehouse, connection: Any) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    """Creates tables, columns and views of this version, if they differ; may run twice concurrently.

    Views are recreated after any change. A foreign view that reads ours prevents that, and the error contains its name.

    Raises:
        WarehouseError: A statement was refused.
    """
    with transaction(warehouse, connection) as cursor:
        if warehouse.dialect == POSTGRESQL:
            # CREATE … IF NOT EXISTS does not protect against a concurrent creation.
            warehouse.lock(cursor, "schema")
            cursor.execute(_GETDATE)
        for statement in statements("tables/schema_log", warehouse.dialect):
            cursor.execute(statement)
        version = digest(warehouse.dialect)
        cursor.execute("SELECT digest FROM schema_log ORDER BY made_at DESC, digest LIMIT 1")
        if cursor.fetchone() == (version,):
            return
        for statement in (*drop_views(), *create_tables(warehouse.dialect)):
            cursor.execute(statement)
        for table in WAREHOUSE_TABLES:
            _renew(warehouse, cursor, table)
        for statement in create_views(warehouse.dialect):
            cursor.execute(statement)
        warehouse.execute(cursor, "INSERT INTO schema_log VALUES (?, getdate())", version)


def _renew(warehouse: Warehouse, cursor: Any, table: str) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    """Adds this version's columns and key to a table of an earlier version."""
    present = "SELECT column_name FROM information_schema.columns WHERE table_name = ? "
    warehouse.execute(cursor, f"{present}AND table_schema = current_schema()", table)
    for statement in add_columns(table, [str(name) for (name,) in cursor.fetchall()], warehouse.dialect):
        cursor.execute(statement)
    if warehouse.dialect == POSTGRESQL:
        warehouse.execute(cursor, _KEY, table)
        for statement in change_key(table, [str(name) for (name,) in cursor.fetchall()]):
            cursor.execute(statement)


def loaded(warehouse: Warehouse, connection: Any, topic: str, since: str = "") -> set[str]:  # noqa: ANN401 - see `Warehouse.connect`
    """Returns the names of a topic's loaded manifests, from `since` on in order of their names.

    Raises:
        WarehouseError: The query was refused.
    """
    with transaction(warehouse, connection) as cursor:
        warehouse.execute(cursor, "SELECT manifest FROM load_log WHERE topic = ? AND manifest >= ?", topic, since)
        return {str(name) for (name,) in cursor.fetchall()}


def load(
    warehouse: Warehouse,
    connection: Any,  # noqa: ANN401 - see `Warehouse.connect`
    store: Store,
    source: Manifest,
    stands_for: Sequence[Manifest] = (),
) -> int | None:
    """Loads one manifest's objects, in one transaction.

    Args:
        warehouse: Target.
        connection: One of its connections.
        store: Source.
        source: The manifest.
        stands_for: The batches that `source`, a compaction, contains; by default it is a batch itself.

    Returns:
        Rows that the warehouse did not have; None if all of it was loaded already.

    Raises:
        WarehouseError: A statement was refused; nothing of the manifest is loaded.
        LakeError: An object could not be read; nothing of the manifest is loaded.
    """
    table = TABLES[source.topic]
    with transaction(warehouse, connection) as cursor:
        warehouse.lock(cursor, source.topic)
        batches = [m for m in stands_for or (source,) if not _logged(warehouse, cursor, m)]
        if not batches:
            return None
        fresh = 0
        if source.rows:
            fresh = warehouse.take(cursor, table, source, store)
            if table is PATIENTS:
                for statement in statements("history", warehouse.dialect):
                    cursor.execute(statement)
        for n, batch in enumerate(batches):
            _log(warehouse, cursor, batch, 0 if n else fresh)
        return fresh


def _logged(warehouse: Warehouse, cursor: Any, manifest: Manifest) -> bool:  # noqa: ANN401 - see `Warehouse.connect`
    logged = "SELECT count(*) FROM load_log WHERE topic = ? AND manifest = ?"
    warehouse.execute(cursor, logged, manifest.topic, manifest.name)
    return bool(cursor.fetchone()[0])


def _log(warehouse: Warehouse, cursor: Any, batch: Manifest, fresh: int) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    values: dict[str, str | int] = {
        "topic": batch.topic,
        "manifest": batch.name,
        "offsets": json.dumps({str(p): list(o) for p, o in batch.offsets.items()}),
        "archived_rows": batch.rows,
        "loaded_rows": fresh,
        "rejected": batch.rejected,
        "lost": sum(last - first + 1 for first, last in batch.lost.values()),
    }
    marks = ", ".join("?" * len(values))
    statement = f"INSERT INTO load_log ({columns(values)}, loaded_at) VALUES ({marks}, getdate())"  # noqa: S608 - our own names
    warehouse.execute(cursor, statement, *values.values())
