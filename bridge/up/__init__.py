"""Gateways to Kafka: validate batches, gather them by lane, write records, acknowledge what is stored."""
