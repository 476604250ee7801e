"""Snapshots of a shard's state: format, store, writer, and the alarm when they fail."""
