"""The site broker's side: connection, TLS socket, MQTT 5 packets."""
