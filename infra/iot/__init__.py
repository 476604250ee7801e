"""AWS IoT Core's registry: which gateways and devices there are, where they stand, and who may speak for them."""
