"""The gateway's own status: device health, technical alarms, status message, command line."""
