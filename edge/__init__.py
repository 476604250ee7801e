"""The gateway: filters readings of bedside devices, raises alarms at the bed, stores readings until the cloud has them.

Read `gateway.py` first: one loop receives readings, commits them to the outbox, acknowledges them and sends them on.
"""
