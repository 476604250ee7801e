"""Spark: topics to Parquet and manifests in the lake, each record once."""
