"""The bridge: moves batches from the site broker to Kafka without loss, and rosters and actions back to gateways."""
