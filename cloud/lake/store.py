"""The port to the lake: operations on named objects. The adapters are a directory and S3."""

from typing import Protocol


class LakeError(RuntimeError):
    """The lake could not be read or written; the message contains the object and the remedy."""


class Store(Protocol):
    """Named objects. An object exists with all of its bytes or not at all."""

    def put(self, name: str, content: bytes) -> None:
        """Writes an object, replacing one of that name; returns once it is durable."""

    def get(self, name: str) -> bytes:
        """Returns an object's bytes.

        Raises:
            LakeError: There is none.
        """

    def names(self, folder: str, after: str = "") -> list[str]:
        """Returns the names of all objects below a folder, ascending; none if there is no such folder.

        Args:
            folder: The folder.
            after: Only names that sort after this one; a bucket does not list the others.
        """

    def url(self, name: str) -> str:
        """Returns the absolute URL of an object, in the form of Redshift's COPY."""


class MutableStore(Store, Protocol):
    """A store with the operations of compaction and erasure."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object unless the name exists; of several concurrent writers, one succeeds.

        Returns:
            Whether these bytes are stored now, durably. A write retried after a lost response finds its own object:
                equal contents must therefore come from the same writer, or be harmless.

        Raises:
            LakeError: The result is unknown; the object may exist or not.
        """

    def remove(self, name: str) -> None:
        """Deletes an object with all its versions; does nothing if there is none."""

    def forget(self, name: str) -> None:
        """Deletes every older version of an object; its present content stays."""
