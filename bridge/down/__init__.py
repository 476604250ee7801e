"""Kafka to gateways: rosters, actions, the notifier's heartbeat."""
