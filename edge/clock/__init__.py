"""The gateway's own clock: it runs evenly, survives a restart, and follows the bridge's offset."""
