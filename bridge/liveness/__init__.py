"""Liveness of gateways and bridges, clock offsets, and the bridge's own status."""
