"""Gateways to Kafka: validate batches, collect them by lane, write records, acknowledge stored batches."""
