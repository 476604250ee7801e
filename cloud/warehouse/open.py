"""Opens the warehouse at a URL, whose scheme selects the adapter."""

from urllib.parse import urlsplit

from cloud.warehouse.port import Warehouse


def open_warehouse(url: str, iam_role: str = "") -> Warehouse:
    """Opens the warehouse at a URL; nothing connects yet.

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
