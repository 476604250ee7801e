"""The ward page: present state from the alarm engine, history from the warehouse, and actions, in a browser."""
