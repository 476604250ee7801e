"""Setting up, running and watching Wardwatch: the local stack, the demo, the checks."""
