"""Spark: scores readings against limits and NEWS2, without state."""
