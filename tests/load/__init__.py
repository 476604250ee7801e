"""Load as a hospital makes it: uplink batches of many gateways, sent again until confirmed, and a count of the arrived.

`Plan` says what is sent, `apart.Apart` sends it from a process of its own, `check.arrived` counts it in Kafka. It knows
the wire forms of `vitals` and nothing of the parts that it loads.
"""
