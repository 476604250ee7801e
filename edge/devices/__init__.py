"""Bedside devices: drivers receive readings and acknowledgements, and show alarm signals."""
