"""Alarms at the bed: the engine on the gateway's readings, and the state of each alarm indicator."""
