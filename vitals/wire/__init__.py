"""Everything that crosses a process boundary: messages, their encoding, the names of topics."""
