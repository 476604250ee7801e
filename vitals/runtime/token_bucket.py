"""Token bucket: bounds a rate and allows a burst."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Tokens, refilled at a constant rate. The caller spends them, and may leave a debt.

    Attributes:
        size: Maximum number of tokens.
        interval: Time in which one token is added.
        tokens: Tokens left.
        filled: Time of the last refill, in the unit of `interval`.
    """

    size: float
    interval: float
    tokens: float
    filled: float

    def refill(self, now: float) -> float:
        """Adds tokens for the time since the last refill, none if the clock was set back; returns the tokens left."""
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.filled) / self.interval)
        self.filled = now
        return self.tokens
