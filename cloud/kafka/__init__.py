"""Kafka as a port: one contract, in memory and real."""
