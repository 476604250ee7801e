"""`make demo`: the whole system on this machine, with a story running, and a report that counts every reading."""
