"""The outside parts as processes on this machine: Kafka, Mosquitto, PostgreSQL, moto, SNS, certificates."""
