"""The alarm rules of the engine, one module a condition."""
