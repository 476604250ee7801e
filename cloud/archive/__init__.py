"""Spark: archives topics as Parquet and manifests in the lake, each record once."""
