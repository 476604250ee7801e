"""The right person hears of an alarm once, in time."""
