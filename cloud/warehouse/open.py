"""What PostgreSQL and Redshift do differently, behind one port; the URL's scheme picks the adapter."""

from typing import Any, Protocol
from urllib.parse import urlsplit

from cloud.lake import Manifest, Store
from cloud.lake.schema import Table


class WarehouseError(RuntimeError):
    """The warehouse could not be reached or refused a statement; the message says which, and what to do."""


class Warehouse(Protocol):
    """One warehouse, by a DB-API connection whose transactions are explicit."""

    dialect: str

    def connect(self) -> Any:  # noqa: ANN401 - DB-API connections share no base class
        """Returns a new connection.

        Raises:
            WarehouseError: There is no warehouse at the URL, or its driver is not installed.
        """

    def lock(self, what: str) -> str:
        """Returns the statement by which one transaction at a time works on `what`, until it ends."""

    def take(self, cursor: Any, table: Table, manifest: Manifest, store: Store) -> int:  # noqa: ANN401 - see connect
        """Inserts the rows of a manifest's objects whose identity the table does not have.

        Returns:
            How many rows were inserted.

        Raises:
            LakeError: An object could not be read.
        """


def open_warehouse(url: str, iam_role: str = "") -> Warehouse:
    """Opens the warehouse that a URL names; nothing connects yet.

    Args:
        url: `postgresql://user:password@host:port/database` or `redshift://…`.
        iam_role: ARN of the role by which Redshift reads the lake.

    Raises:
        ValueError: The scheme is neither, or Redshift has no role.
    """
    scheme = urlsplit(url).scheme
    if scheme == "postgresql":
        from cloud.warehouse.postgresql import PostgreSQL  # noqa: PLC0415 - its driver is not needed for the other

        return PostgreSQL(url)
    if scheme == "redshift":
        from cloud.warehouse.redshift import Redshift  # noqa: PLC0415 - see above

        if not iam_role:
            raise ValueError("WAREHOUSE_IAM_ROLE is not set: Redshift reads the lake by the role that it names")
        return Redshift(url, iam_role)
    raise ValueError(f"WAREHOUSE with scheme {scheme!r}: must be postgresql:// or redshift://")
