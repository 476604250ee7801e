"""The lake: Parquet objects and manifests, in S3 or in a directory. Readers trust manifests alone (see `read`)."""

from cloud.lake.manifests import BadManifestError, Manifest, manifest_names, read_manifest
from cloud.lake.open import open_lake
from cloud.lake.store import LakeError, MutableStore, Store

__all__ = [
    "BadManifestError",
    "LakeError",
    "Manifest",
    "MutableStore",
    "Store",
    "manifest_names",
    "open_lake",
    "read_manifest",
]
