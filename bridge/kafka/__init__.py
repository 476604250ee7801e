"""Kafka's side: the port, its client, and an in-memory log for tests."""
