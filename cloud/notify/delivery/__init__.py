"""Queues, rate limits, attempts and retries of messages, and their records."""
