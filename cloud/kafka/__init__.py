"""Kafka as a port: one contract with two adapters, in memory and real."""
