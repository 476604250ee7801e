"""The lake in a directory of this machine."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.lake.store import LakeError


class FilesystemStore:
    """A lake in a directory: every object is written to a temporary file, synced, and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes) -> None:
        """See `Store`."""
        path = self._root / name
        with self._written(path, content) as beside:
            beside.replace(path)

    def create(self, name: str, content: bytes) -> bool:
        """See `MutableStore`."""
        path = self._root / name
        with self._written(path, content) as beside:
            try:
                # Unlike a rename, a link fails if the name exists.
                path.hardlink_to(beside)
            except FileExistsError:
                return path.read_bytes() == content
            finally:
                beside.unlink()
        return True

    def remove(self, name: str) -> None:
        """See `MutableStore`."""
        path = self._root / name
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync(path.parent)
        except OSError as error:
            raise LakeError(f"cannot remove {path}: {error}; check the disk behind LAKE") from error

    def forget(self, name: str) -> None:
        """See `MutableStore`: a directory keeps no older versions."""

    @contextmanager
    def _written(self, path: Path, content: bytes) -> Iterator[Path]:
        """Yields a synced temporary file, to be renamed to `path`; syncs the folder afterwards."""
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
        place = self._root / folder
        return sorted(_names(str(place), f"{folder}/" if folder else "", after)) if place.is_dir() else []

    def url(self, name: str) -> str:
        """See `Store`."""
        return (self._root / name).absolute().as_uri()


def _names(place: str, prefix: str, after: str) -> Iterator[str]:
    """Yields file names below a folder, if greater than `after`; folders with smaller names only are not opened.

    The listing includes each entry's kind: no further system call per file.
    """
    with os.scandir(place) as entries:
        for entry in entries:
            name = prefix + entry.name
            # Names with a leading dot are temporary files, in use or left by a crash.
            if entry.is_dir():
                if f"{name}/" > after or after.startswith(f"{name}/"):
                    yield from _names(entry.path, f"{name}/", after)
            elif name > after and not entry.name.startswith(".") and entry.is_file():
                yield name


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
