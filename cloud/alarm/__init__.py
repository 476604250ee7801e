"""Ray: each patient's alarm state, as a function of the log."""
