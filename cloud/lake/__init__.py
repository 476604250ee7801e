"""The lake: Parquet objects and manifests, in S3 or in a directory. Readers trust manifests alone."""

from cloud.lake.manifests import BadManifestError, Manifest, manifest_names, read_manifest
from cloud.lake.store import LakeError, Store, open_lake

__all__ = ["BadManifestError", "LakeError", "Manifest", "Store", "manifest_names", "open_lake", "read_manifest"]
