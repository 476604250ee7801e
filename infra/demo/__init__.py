"""`make demo`: the whole system on this machine with a scenario, and a report that counts every reading."""
