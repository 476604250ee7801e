"""HTTP layer: authentication, rate limits, the application's dependencies."""
