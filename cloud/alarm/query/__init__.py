"""Queries to a shard: alarm state and newest values of its patients."""
