"""Redshift: COPY by manifest with an IAM role, then an INSERT of new rows.

Never run against a live cluster; its statements are tested as text.
"""

import importlib
from typing import Any
from urllib.parse import unquote, urlsplit

from cloud.lake import Manifest, Store
from cloud.lake.schema import Table
from cloud.warehouse.ddl import REDSHIFT, columns, literal
from cloud.warehouse.port import WarehouseError

PORT = 5439


class Redshift:
    """`Warehouse` on Redshift.

    Args:
        url: `redshift://user:password@host:port/database`.
        iam_role: ARN of the role by which COPY reads the lake.
    """

    dialect = REDSHIFT

    def __init__(self, url: str, iam_role: str) -> None:
        self._url = url
        self._iam_role = iam_role

    def connect(self) -> Any:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        try:
            driver = importlib.import_module("redshift_connector")
        except ModuleNotFoundError as error:
            raise WarehouseError(
                "WAREHOUSE is Redshift, but its driver is not installed: pip install 'wardwatch[redshift]'"
            ) from error
        parts = urlsplit(self._url)
        try:
            return driver.connect(
                host=parts.hostname,
                port=parts.port or PORT,
                database=parts.path.lstrip("/"),
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
            )
        except (driver.Error, OSError) as error:
            raise WarehouseError(f"cannot connect to Redshift at {parts.hostname}: {error}") from error

    def execute(self, cursor: Any, statement: str, *values: str | int) -> None:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`."""
        cursor.paramstyle = "qmark"
        cursor.execute(statement, values)

    def lock(self, cursor: Any, what: str) -> None:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`; Redshift locks tables only, so all topics share one lock."""
        del what
        self.execute(cursor, "LOCK TABLE load_log")

    def take(self, cursor: Any, table: Table, manifest: Manifest, store: Store) -> int:  # noqa: ANN401 - see `Warehouse`
        """See `Warehouse`: copies the objects into the temporary table `stage`, and inserts new rows from it."""
        for statement in self.copy(table, manifest, store):
            cursor.execute(statement)
        cursor.execute(self.merge(table, manifest.columns))
        fresh = int(cursor.rowcount)
        cursor.execute("DROP TABLE stage")
        return fresh

    def copy(self, table: Table, manifest: Manifest, store: Store) -> list[str]:
        """Returns the statements that fill `stage`, with the objects' columns, since COPY matches by position.

        COPY takes no parameters; its literals are the URL of a manifest and a setting.
        """
        names, source, role = columns(manifest.columns), literal(store.url(manifest.name)), literal(self._iam_role)
        return [
            f"CREATE TEMP TABLE stage AS SELECT {names} FROM {table.name} WHERE 1 = 0",  # noqa: S608 - our own names
            f"COPY stage FROM {source} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST",
        ]

    def merge(self, table: Table, columns_: tuple[str, ...]) -> str:
        """Returns the statement that inserts the rows of `stage` that are new by identity."""
        names, identity = columns(columns_), columns(table.identity)
        same = " AND ".join(f'held."{name}" = fresh."{name}"' for name in table.identity)
        copies = f"row_number() OVER (PARTITION BY {identity} ORDER BY source_partition, source_offset) AS copy_n"
        return (
            f"INSERT INTO {table.name} ({names}) "  # noqa: S608 - names are our own tables'
            f"SELECT {names} FROM (SELECT {names}, {copies} FROM stage) AS fresh "
            f"WHERE copy_n = 1 AND NOT EXISTS (SELECT 1 FROM {table.name} AS held WHERE {same})"
        )
