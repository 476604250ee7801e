"""The JSON API of the ward page."""
