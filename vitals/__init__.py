"""Types and rules that all parts share: signs, readings, limits, NEWS2, alarms, wire formats, topic names.

Values and functions without I/O, except :mod:`vitals.runtime`, which all daemons use.
"""
