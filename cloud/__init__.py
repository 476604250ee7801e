"""The cloud tier: scoring, archive, warehouse, alarm state, notification, and the commands that feed them."""
