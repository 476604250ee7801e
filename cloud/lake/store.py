"""The port to the lake: what its parts need of a place where objects lie. The adapters are a directory and S3."""

from typing import Protocol


class LakeError(RuntimeError):
    """The lake could not be read or written; the message names the object and what to check."""


class Store(Protocol):
    """Named objects. An object is there with all of its bytes, or it is not there."""

    def put(self, name: str, content: bytes) -> None:
        """Writes an object, replacing one of that name; returns once it is durable."""

    def get(self, name: str) -> bytes:
        """Returns an object's bytes.

        Raises:
            LakeError: There is none.
        """

    def names(self, folder: str, after: str = "") -> list[str]:
        """Returns the names of all objects below a folder, ascending; none when there is no such folder.

        Args:
            folder: The folder.
            after: Only names that sort after this one; what sorts before costs nothing in a bucket.
        """

    def url(self, name: str) -> str:
        """Returns the absolute URL of an object, as Redshift's COPY takes it."""


class MutableStore(Store, Protocol):
    """A store to whoever keeps house in it: compaction and erasure."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object unless there is one of that name; of several at once, one succeeds.

        Returns:
            Whether these bytes are there now, durably. A write whose answer was lost and that was tried again finds its
            own: so contents must be such that equal ones are the same writer's, or harmless.

        Raises:
            LakeError: It is unknown; they may be there or not.
        """

    def remove(self, name: str) -> None:
        """Deletes an object with every version of it that the store keeps; nothing when there is none."""

    def forget(self, name: str) -> None:
        """Deletes every older version of an object; what it holds now stays."""
