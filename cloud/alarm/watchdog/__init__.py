"""The wall-clock watchdog: raises *pipeline stalled* when no scored reading arrives."""
