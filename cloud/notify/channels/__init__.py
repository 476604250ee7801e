"""Notification channels: the port and its adapters."""
