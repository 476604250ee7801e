"""Standing of channels and outcome of accepted messages."""
