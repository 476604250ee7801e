"""The gateway: cleans what bedside devices send, alarms at the bed, keeps every reading until the cloud has it.

Read `gateway.py` first: one loop takes what devices sent, commits it to the outbox, acknowledges it, and sends it on.
"""
