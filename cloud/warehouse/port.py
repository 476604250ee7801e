"""The port to the warehouse: the differences of PostgreSQL and Redshift."""

from typing import Any, Protocol

from cloud.lake import Manifest, Store
from cloud.lake.schema import Table


class WarehouseError(RuntimeError):
    """The warehouse could not be reached or refused a statement; the message contains the cause and the remedy."""


class Warehouse(Protocol):
    """One warehouse, by a DB-API connection whose transactions are explicit."""

    dialect: str

    def connect(self) -> Any:  # noqa: ANN401 - DB-API connections share no base class
        """Returns a new connection.

        Raises:
            WarehouseError: There is no warehouse at the URL, or its driver is not installed.
        """

    def execute(self, cursor: Any, statement: str, *values: str | int) -> None:  # noqa: ANN401 - see connect
        """Executes a statement; each `?` is a parameter, bound to one value."""

    def lock(self, cursor: Any, what: str) -> None:  # noqa: ANN401 - see connect
        """Gives one transaction at a time exclusive access to `what`, until it ends."""

    def take(self, cursor: Any, table: Table, manifest: Manifest, store: Store) -> int:  # noqa: ANN401 - see connect
        """Inserts the rows of a manifest's objects that are new by identity.

        Returns:
            Number of inserted rows.

        Raises:
            LakeError: An object could not be read.
        """
