"""Settings, logs, signals and Kafka access of every daemon: the only modules of `vitals` with I/O."""
