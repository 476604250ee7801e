"""A gateway on a Raspberry Pi: its installer and what that puts into place."""
