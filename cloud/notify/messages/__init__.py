"""Texts of messages, by the ward's settings, in the deployment's language."""
