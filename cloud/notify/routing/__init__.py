"""Contacts of an alarm: rotas, declined and unrouted alarms, late calls, recipients on record."""
