"""AWS IoT Core's registry: gateways and devices, their wards and beds, and their certificates."""
