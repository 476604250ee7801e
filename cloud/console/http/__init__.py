"""HTTP around every request: authentication, rate limits, HTML pages, the application's dependencies."""
