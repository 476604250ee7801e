"""Ray actors that compute each patient's alarm state from the log."""
