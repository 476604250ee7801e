"""Where snapshots are kept: a URL picks a folder or an S3 prefix. A snapshot is whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit


class SnapshotError(Exception):
    """Snapshots cannot be kept there, or not now; the message says why."""


class Snapshots(Protocol):
    """Keeps the newest snapshot of each slice."""

    def put(self, name: str, data: bytes) -> None:
        """Replaces a snapshot at one stroke.

        Raises:
            SnapshotError: It cannot be written; the one before may still be there.
        """

    def get(self, name: str) -> bytes | None:
        """Returns a snapshot, None when there is none.

        Raises:
            SnapshotError: It cannot be read.
        """


class FolderSnapshots:
    """Snapshots as files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, data: bytes) -> None:
        """See `Snapshots.put`."""
        with self._told("written", name):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=f".{name}-", delete=False) as file:
                beside = Path(file.name)
                try:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    beside.replace(self._folder / f"{name}.snapshot")
                except OSError:
                    # A full disk is not to be filled further by every attempt.
                    beside.unlink(missing_ok=True)
                    raise

    def get(self, name: str) -> bytes | None:
        """See `Snapshots.get`."""
        with self._told("read", name):
            try:
                return (self._folder / f"{name}.snapshot").read_bytes()
            except FileNotFoundError:
                return None

    @contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = self._folder / f"{name}.snapshot"
            raise SnapshotError(f"{place} cannot be {what}: {error}; check the disk behind WATCH_SNAPSHOTS") from error


class S3Snapshots:
    """Snapshots as S3 objects; a put is atomic there."""

    def __init__(self, bucket: str, prefix: str, endpoint: str | None) -> None:
        import boto3  # noqa: PLC0415 - 0.3 s and 20 MB that a folder does not need
        from botocore.config import Config  # noqa: PLC0415 - see above
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

        self._errors = (BotoCoreError, ClientError)
        retries = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
        self._client = boto3.client("s3", endpoint_url=endpoint, config=retries)
        self._bucket, self._prefix = bucket, prefix

    def put(self, name: str, data: bytes) -> None:
        """See `Snapshots.put`."""
        with self._told("written", name):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def get(self, name: str) -> bytes | None:
        """See `Snapshots.get`."""
        with self._told("read", name):
            try:
                body: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return body

    @contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            place = f"s3://{self._bucket}/{self._key(name)}"
            raise SnapshotError(f"{place} cannot be {what}: {error}; check WATCH_SNAPSHOTS and its rights") from error

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._prefix, f"{name}.snapshot") if part)


def open_snapshots(url: str) -> Snapshots:
    """Opens the place that a URL names: `file:///folder` or `s3://bucket/prefix?endpoint_override=http://host:port`.

    Raises:
        SnapshotError: The scheme is unknown or a part is missing.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return FolderSnapshots(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        query = parse_qs(parts.query)
        endpoint = query.get("endpoint_override", [None])[0]
        if endpoint and "://" not in endpoint:
            endpoint = f"{query.get('scheme', ['https'])[0]}://{endpoint}"
        return S3Snapshots(parts.netloc, parts.path.strip("/"), endpoint)
    raise SnapshotError(f"WATCH_SNAPSHOTS={url!r} is neither file:///folder nor s3://bucket/prefix")
