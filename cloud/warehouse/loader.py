"""Loading: the schema, what is loaded, and one manifest in one transaction. The same for every warehouse."""

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
    literal,
    statements,
)
from cloud.warehouse.ddl import TABLES as WAREHOUSE_TABLES
from cloud.warehouse.open import Warehouse, WarehouseError

_GETDATE = (
    "CREATE OR REPLACE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT now() AT TIME ZONE ''UTC'''"
)

_KEY = (
    "SELECT a.attname::text FROM pg_index AS i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) "
    "JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
    "WHERE i.indisprimary AND i.indrelid = {}::regclass ORDER BY k.place"
)


@contextmanager
def transaction(warehouse: Warehouse, connection: Any) -> Iterator[Any]:  # noqa: ANN401 - see `Warehouse.connect`
    """Gives a cursor; commits at the end, rolls back at an error.

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


def prepare(warehouse: Warehouse, connection: Any) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    """Makes tables, columns and views as this version has them, unless they are so already; may run twice at once.

    Views are made anew when anything changed. One of somebody else's that reads ours keeps them from it, and is named.

    Raises:
        WarehouseError: A statement was refused.
    """
    with transaction(warehouse, connection) as cursor:
        if warehouse.dialect == POSTGRESQL:
            # CREATE … IF NOT EXISTS is no protection against another that creates at the same time.
            cursor.execute(warehouse.lock("schema"))
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
            _renew(cursor, table, warehouse.dialect)
        for statement in create_views(warehouse.dialect):
            cursor.execute(statement)
        cursor.execute(f"INSERT INTO schema_log VALUES ({literal(version)}, getdate())")  # noqa: S608 - quoted


def _renew(cursor: Any, table: str, dialect: str) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    """Gives a table of an earlier version this version's columns and key."""
    cursor.execute(
        f"SELECT column_name FROM information_schema.columns WHERE table_name = {literal(table)} "  # noqa: S608 - quoted
        "AND table_schema = current_schema()"
    )
    for statement in add_columns(table, [str(name) for (name,) in cursor.fetchall()], dialect):
        cursor.execute(statement)
    if dialect == POSTGRESQL:
        cursor.execute(_KEY.format(literal(table)))
        for statement in change_key(table, [str(name) for (name,) in cursor.fetchall()]):
            cursor.execute(statement)


def loaded(warehouse: Warehouse, connection: Any, topic: str, since: str = "") -> set[str]:  # noqa: ANN401 - see `Warehouse.connect`
    """Returns the names of a topic's manifests that are loaded, from `since` on in order of their names.

    Raises:
        WarehouseError: The query was refused.
    """
    wanted = f"topic = {literal(topic)} AND manifest >= {literal(since)}"
    with transaction(warehouse, connection) as cursor:
        cursor.execute(f"SELECT manifest FROM load_log WHERE {wanted}")  # noqa: S608 - quoted
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
        warehouse: Where to.
        connection: One of its connections.
        store: Where from.
        source: The manifest.
        stands_for: The batches whose rows `source`, a compaction, holds now; by default it is a batch itself.

    Returns:
        Rows that the warehouse did not have; None when all of it was loaded already.

    Raises:
        WarehouseError: A statement was refused; nothing of the manifest is loaded.
        LakeError: An object could not be read; nothing of the manifest is loaded.
    """
    table = TABLES[source.topic]
    with transaction(warehouse, connection) as cursor:
        cursor.execute(warehouse.lock(source.topic))
        batches = [m for m in stands_for or (source,) if not _logged(cursor, m)]
        if not batches:
            return None
        fresh = 0
        if source.rows:
            fresh = warehouse.take(cursor, table, source, store)
            if table is PATIENTS:
                for statement in statements("history", warehouse.dialect):
                    cursor.execute(statement)
        for n, batch in enumerate(batches):
            _log(cursor, batch, 0 if n else fresh)
        return fresh


def _logged(cursor: Any, manifest: Manifest) -> bool:  # noqa: ANN401 - see `Warehouse.connect`
    logged = f"topic = {literal(manifest.topic)} AND manifest = {literal(manifest.name)}"
    cursor.execute(f"SELECT count(*) FROM load_log WHERE {logged}")  # noqa: S608 - quoted
    return bool(cursor.fetchone()[0])


def _log(cursor: Any, batch: Manifest, fresh: int) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    values: dict[str, str | int] = {
        "topic": batch.topic,
        "manifest": batch.name,
        "offsets": json.dumps({str(p): list(o) for p, o in batch.offsets.items()}),
        "archived_rows": batch.rows,
        "loaded_rows": fresh,
        "rejected": batch.rejected,
        "lost": sum(last - first + 1 for first, last in batch.lost.values()),
    }
    cursor.execute(
        f"INSERT INTO load_log ({columns(values)}, loaded_at) "  # noqa: S608 - quoted
        f"VALUES ({', '.join(map(literal, values.values()))}, getdate())"
    )
