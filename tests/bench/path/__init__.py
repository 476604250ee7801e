"""Two measurements of the whole path: latency from a breach to SNS, and the number of patients that two cores serve.

`environment` starts the whole path, `breach_scenario` scripts the devices, and `trace_latency` follows readings from
hop to hop for `latency`. `capacity` raises the number of patients until a hop no longer keeps up, and `cpu_usage`
measures each part's processor time and memory.
"""
