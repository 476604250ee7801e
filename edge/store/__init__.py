"""The outbox on the card: accepted readings until the cloud confirms them, and the state that a restart needs."""
