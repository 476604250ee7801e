"""The shared language of Wardwatch: signs, readings, limits, NEWS2, alarms, wire forms, topic names.

Pure values and functions without I/O. The one exception is :mod:`vitals.daemon`, so that all daemons behave alike.
"""
