"""The lake in a directory of this machine."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.lake.store import LakeError


class FilesystemStore:
    """A lake in a directory: every object is written beside its place, synced, and renamed into it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes) -> None:
        """See `Store`."""
        path = self._root / name
        with self._written(path, content) as beside:
            beside.replace(path)

    def create(self, name: str, content: bytes) -> bool:
        """See `Keeper`."""
        path = self._root / name
        with self._written(path, content) as beside:
            try:
                # Unlike a renaming, a link refuses to take a name that is there.
                path.hardlink_to(beside)
            except FileExistsError:
                return path.read_bytes() == content
            finally:
                beside.unlink()
        return True

    def remove(self, name: str) -> None:
        """See `Keeper`."""
        path = self._root / name
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync(path.parent)
        except OSError as error:
            raise LakeError(f"cannot remove {path}: {error}; check the disk behind LAKE") from error

    def forget(self, name: str) -> None:
        """See `Keeper`: a directory keeps no older versions."""

    @contextmanager
    def _written(self, path: Path, content: bytes) -> Iterator[Path]:
        """Gives a synced file beside a path, to be given its name there; syncs the folder afterwards."""
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield beside
            _sync(path.parent)
        except OSError as error:
            raise LakeError(f"cannot write {path}: {error}; check the disk behind LAKE") from error

    def get(self, name: str) -> bytes:
        """See `Store`."""
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise LakeError(f"cannot read {self._root / name}: {error}") from error

    def names(self, folder: str, after: str = "") -> list[str]:
        """See `Store`."""
        listed = ((str(p.relative_to(self._root)), p) for p in (self._root / folder).rglob("*"))
        # Names with a leading dot are writes under way, or what a crash left of them.
        return sorted(name for name, p in listed if name > after and not p.name.startswith(".") and p.is_file())

    def url(self, name: str) -> str:
        """See `Store`."""
        return (self._root / name).absolute().as_uri()


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
