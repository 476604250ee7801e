"""The lake in S3, or in a store that speaks its language."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import boto3
import pyarrow.fs as pafs
from botocore.exceptions import BotoCoreError, ClientError

from cloud.lake.store import LakeError

WAITS_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""How long to wait before each further try of a conditional write that met another of the same name."""
_THERE: Final = frozenset({"PreconditionFailed", "412"})
_CONFLICT: Final = frozenset({"ConditionalRequestConflict", "409"})


class S3Store:
    """A lake in S3, by pyarrow's own client: no Hadoop. S3 shows an object only once its upload is complete.

    Args:
        filesystem: pyarrow's client.
        prefix: Bucket and prefix.
        options: The URL's options, for what pyarrow's client cannot do: conditional writes, versions, and lists that
            begin after a name.
    """

    def __init__(self, filesystem: pafs.FileSystem, prefix: str, options: Mapping[str, str] | None = None) -> None:
        self._fs = filesystem
        self._prefix = prefix.rstrip("/")
        self._options = dict(options or {})

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

    def names(self, folder: str, after: str = "") -> list[str]:
        """See `Store`; S3 lists by bytes, which for text is the order of its characters."""
        place = self._place(f"{folder}/" if folder else "")
        begin = {"StartAfter": self._place(after)["Key"]} if after else {}
        with self._told("list", folder):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=place["Bucket"], Prefix=place["Key"], **begin
            )
            keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return sorted(key[len(self._place("")["Key"]) :] for key in keys if not key.endswith("/"))

    def url(self, name: str) -> str:
        """See `Store`."""
        return f"s3://{self._prefix}/{name}"

    def create(self, name: str, content: bytes) -> bool:
        """See `Keeper`."""
        for wait_s in (*WAITS_S, None):
            try:
                with self._told("write", name):
                    self._s3.put_object(**self._place(name), Body=content, IfNoneMatch="*")
            except FileExistsError:
                # The client tries again by itself when an answer is lost, and then meets what it has written.
                return self.get(name) == content
            except BlockingIOError as error:
                if wait_s is None:
                    raise LakeError(f"cannot write {self.url(name)}: others write it all the time") from error
                time.sleep(wait_s)
            else:
                return True
        raise AssertionError("the last try returns or raises")

    def remove(self, name: str) -> None:
        """See `Keeper`; where the bucket keeps versions, it needs s3:DeleteObjectVersion."""
        with self._told("remove", name):
            for version in list(self._versions(name)):
                self._s3.delete_object(**self._place(name), VersionId=version["VersionId"])

    def forget(self, name: str) -> None:
        """See `Keeper`; where the bucket keeps versions, it needs s3:DeleteObjectVersion."""
        with self._told("remove older versions of", name):
            for version in list(self._versions(name)):
                if not version["IsLatest"]:
                    self._s3.delete_object(**self._place(name), VersionId=version["VersionId"])

    def _versions(self, name: str) -> Iterator[Any]:
        """Every version of one object, markers of deletion included; a bucket without versions names one `null`."""
        place = self._place(name)
        pages = self._s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=place["Bucket"], Prefix=place["Key"]):
            found = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            yield from (version for version in found if version["Key"] == place["Key"])

    def _place(self, name: str) -> dict[str, str]:
        bucket, _, prefix = self._prefix.partition("/")
        return {"Bucket": bucket, "Key": f"{prefix}/{name}" if prefix else name}

    @cached_property
    def _s3(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        endpoint = self._options.get("endpoint_override")
        if endpoint and "://" not in endpoint:
            endpoint = f"{self._options.get('scheme', 'https')}://{endpoint}"
        logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it found credentials
        return boto3.client("s3", endpoint_url=endpoint, region_name=self._options.get("region"))

    @contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        """Turns the client's errors into ours.

        Raises:
            FileExistsError: The object is there, and was not to be.
            BlockingIOError: Another writes the same name at this moment, and either may fail: to be tried again.
            LakeError: Anything else.
        """
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in _THERE:
                raise FileExistsError(name) from error
            if error.response["Error"]["Code"] in _CONFLICT:
                raise BlockingIOError(name) from error
            raise LakeError(f"cannot {what} {self.url(name)}: {error}; check LAKE and its credentials") from error
        except BotoCoreError as error:
            raise LakeError(f"cannot {what} {self.url(name)}: {error}; check LAKE and its credentials") from error
