"""Where objects lie: the URL's scheme picks the adapter, S3 or a directory. Objects appear whole or not at all."""

import os
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs


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

    def names(self, folder: str) -> list[str]:
        """Returns the names of all objects below a folder, ascending; none when there is no such folder."""

    def url(self, name: str) -> str:
        """Returns the absolute URL of an object, as Redshift's COPY takes it."""


class Directory:
    """A lake in a directory: every object is written beside its place, synced, and renamed into it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes) -> None:
        """See `Store`."""
        path = self._root / name
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise LakeError(f"cannot write {path}: {error}; check the disk behind LAKE") from error

    def get(self, name: str) -> bytes:
        """See `Store`."""
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise LakeError(f"cannot read {self._root / name}: {error}") from error

    def names(self, folder: str) -> list[str]:
        """See `Store`."""
        found = (self._root / folder).rglob("*")
        # Names with a leading dot are writes under way, or what a crash left of them.
        return sorted(str(p.relative_to(self._root)) for p in found if not p.name.startswith(".") and p.is_file())

    def url(self, name: str) -> str:
        """See `Store`."""
        return (self._root / name).absolute().as_uri()


class Bucket:
    """A lake in S3, by pyarrow's own client: no Hadoop. S3 shows an object only once its upload is complete."""

    def __init__(self, filesystem: pafs.FileSystem, prefix: str) -> None:
        self._fs = filesystem
        self._prefix = prefix.rstrip("/")

    def put(self, name: str, content: bytes) -> None:
        """See `Store`."""
        try:
            with self._fs.open_output_stream(f"{self._prefix}/{name}") as stream:
                stream.write(content)
        except OSError as error:
            raise LakeError(f"cannot write {self.url(name)}: {error}; check LAKE and its credentials") from error

    def get(self, name: str) -> bytes:
        """See `Store`."""
        try:
            with self._fs.open_input_file(f"{self._prefix}/{name}") as file:
                return bytes(file.read())
        except OSError as error:
            raise LakeError(f"cannot read {self.url(name)}: {error}; check LAKE and its credentials") from error

    def names(self, folder: str) -> list[str]:
        """See `Store`."""
        where = pafs.FileSelector(f"{self._prefix}/{folder}", allow_not_found=True, recursive=True)
        try:
            found = self._fs.get_file_info(where)
        except OSError as error:
            raise LakeError(f"cannot list {self.url(folder)}: {error}; check LAKE and its credentials") from error
        return sorted(info.path[len(self._prefix) + 1 :] for info in found if info.type == pafs.FileType.File)

    def url(self, name: str) -> str:
        """See `Store`."""
        return f"s3://{self._prefix}/{name}"


def open_lake(url: str) -> Store:
    """Opens the lake that a URL names.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix` with pyarrow's options (`?endpoint_override=…&region=…`).

    Raises:
        ValueError: The scheme is neither, or the URL names no bucket or folder.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path not in {"", "/"}:
        return Directory(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        options = dict(parse_qsl(parts.query))
        # Without a region pyarrow asks AWS for the bucket's, which a local endpoint does not answer.
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region:
            options.setdefault("region", region)
        try:
            filesystem, path = pafs.FileSystem.from_uri(f"s3://{parts.netloc}{parts.path}?{urlencode(options)}")
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"LAKE={url}: {error}") from error
        return Bucket(filesystem, path)
    raise ValueError(f"LAKE={url}: must be s3://bucket/prefix or file:///folder")
