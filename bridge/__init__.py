"""The bridge: from the site's MQTT broker to Kafka with nothing lost, and from Kafka back down to gateways."""
