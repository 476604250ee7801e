"""Hand-over report of a ward: a printable page of each patient's last hours."""
