"""Erasure of one patient, and expiry by age: what leaves lake, warehouse, snapshots and topics."""
