"""Setup, local stack, demo, deployment and checks of Wardwatch."""
