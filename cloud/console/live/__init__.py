"""Live state: alarm state from Ray, topics followed into memory, changes to every open page."""
