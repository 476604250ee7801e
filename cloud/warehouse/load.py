"""Loading: the schema, what is loaded, and one manifest in one transaction. The same for every warehouse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloud.lake import Manifest, Store
from cloud.lake.tables import PATIENTS, TABLES
from cloud.warehouse.open import Warehouse, WarehouseError
from cloud.warehouse.schema import POSTGRESQL, add_signs, create_tables, create_views, literal, statements

_GETDATE = (
    "CREATE OR REPLACE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT now() AT TIME ZONE ''UTC'''"
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
    """Makes every table, column and view that is not there yet; may run twice at once.

    Raises:
        WarehouseError: A statement was refused.
    """
    if warehouse.dialect == POSTGRESQL:
        with transaction(warehouse, connection) as cursor:
            # CREATE … IF NOT EXISTS is no protection against another that creates at the same time.
            cursor.execute(warehouse.lock("schema"))
            cursor.execute(_GETDATE)
            _make(warehouse, cursor)
        return
    with transaction(warehouse, connection) as cursor:
        _make(warehouse, cursor)


def _make(warehouse: Warehouse, cursor: Any) -> None:  # noqa: ANN401 - see `Warehouse.connect`
    for statement in create_tables(warehouse.dialect):
        cursor.execute(statement)
    cursor.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_name = 'vitals' AND table_schema = current_schema()"
    )
    present = [str(name) for (name,) in cursor.fetchall()]
    for statement in (*add_signs(present), *create_views(warehouse.dialect)):
        cursor.execute(statement)


def loaded(warehouse: Warehouse, connection: Any, topic: str) -> set[str]:  # noqa: ANN401 - see `Warehouse.connect`
    """Returns the names of a topic's manifests that are loaded.

    Raises:
        WarehouseError: The query was refused.
    """
    with transaction(warehouse, connection) as cursor:
        cursor.execute(f"SELECT manifest FROM load_log WHERE topic = {literal(topic)}")  # noqa: S608 - quoted
        return {str(name) for (name,) in cursor.fetchall()}


def load(warehouse: Warehouse, connection: Any, store: Store, manifest: Manifest) -> int | None:  # noqa: ANN401 - see above
    """Loads one manifest, in one transaction.

    Returns:
        Rows that the warehouse did not have; None when the manifest was loaded already.

    Raises:
        WarehouseError: A statement was refused; nothing of the manifest is loaded.
        LakeError: An object could not be read; nothing of the manifest is loaded.
    """
    table = TABLES[manifest.topic]
    logged = f"topic = {literal(manifest.topic)} AND manifest = {literal(manifest.name)}"
    with transaction(warehouse, connection) as cursor:
        cursor.execute(warehouse.lock(manifest.topic))
        cursor.execute(f"SELECT count(*) FROM load_log WHERE {logged}")  # noqa: S608 - quoted
        if cursor.fetchone()[0]:
            return None
        fresh = 0
        if manifest.rows:
            warehouse.stage(cursor, table, manifest, store)
            cursor.execute(warehouse.merge(table, manifest.columns))
            fresh = int(cursor.rowcount)
            cursor.execute("DROP TABLE stage")
            if table is PATIENTS:
                for statement in statements("history", warehouse.dialect):
                    cursor.execute(statement)
        offsets = json.dumps({str(p): list(o) for p, o in manifest.offsets.items()})
        values: tuple[str | int, ...] = (manifest.topic, manifest.name, offsets, manifest.rows, fresh)
        cursor.execute(f"INSERT INTO load_log VALUES ({', '.join(map(literal, values))}, getdate())")  # noqa: S608 - quoted
        return fresh
