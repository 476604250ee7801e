"""Load of a hospital: uplink batches of many gateways, resent until confirmed, and a count of the arrived readings.

`plan.Plan` defines the batches, `subprocess_load.Apart` sends them from a process of its own, and `check.arrived`
counts them in Kafka. The load uses the wire formats of `vitals`, and no code of the parts under load.
"""
