"""A damaged outbox that was set aside: read row by row, continued by a new one, copied into it."""
