"""Replay: archived readings through the same engine under other limits, so that a ward can choose its own."""
