"""The shared language of Wardwatch: signs, readings, limits, NEWS2, alarms, wire forms, topic names.

Pure values and functions without I/O, except :mod:`vitals.runtime.daemon`, with which all daemons behave alike.
"""
