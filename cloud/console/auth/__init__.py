"""Users, sessions and roles; the audit log."""
