"""Erasure of one patient from lake, warehouse, snapshots and topics, and expiry by age."""
