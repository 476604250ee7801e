"""Notifies the contacts on duty of each alarm, once and in time."""
