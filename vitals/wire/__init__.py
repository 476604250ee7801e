"""Messages between processes, their encoding, and the names of topics."""
