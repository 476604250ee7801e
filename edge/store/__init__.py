"""The outbox on the card: accepted readings until the cloud confirms them, and what a restart needs."""
