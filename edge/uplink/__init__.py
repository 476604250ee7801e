"""The connection to the site broker: batches and side messages up, the order and rate of sending."""
