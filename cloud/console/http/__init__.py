"""HTTP layer: authentication, rate limits, HTML pages, the application's dependencies."""
