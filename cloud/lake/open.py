"""Opens the lake: the URL's scheme selects the adapter, S3 or a directory."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from cloud.lake.filesystem import FilesystemStore
from cloud.lake.s3 import S3Store
from cloud.lake.store import MutableStore


def open_lake(url: str) -> MutableStore:
    """Opens the lake at a URL.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix` with pyarrow's options (`?endpoint_override=…&region=…`).

    Raises:
        ValueError: The scheme is neither, or the URL has no bucket or folder.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path not in {"", "/"}:
        return FilesystemStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        options = dict(parse_qsl(parts.query))
        # Without a region pyarrow queries AWS for the bucket's, which fails with a local endpoint.
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region:
            options.setdefault("region", region)
        # A small object is then one request, not the three of an upload in parts.
        options.setdefault("allow_delayed_open", "true")
        try:
            filesystem, path = pafs.FileSystem.from_uri(f"s3://{parts.netloc}{parts.path}?{urlencode(options)}")
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"LAKE={url}: {error}") from error
        return S3Store(filesystem, path, options)
    raise ValueError(f"LAKE={url}: must be s3://bucket/prefix or file:///folder")
