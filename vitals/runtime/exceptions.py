"""Whose fault an exception is: of what was being applied, or of the machine and the stores around it."""

import sqlite3
from typing import Final

NOT_CAUSED_BY_INPUT: Final = (MemoryError, OSError, sqlite3.Error)
"""No fault of a record: a process that meets these ends or tries again, and the record is applied later.

A connection, a time-out and a full disk are all `OSError`.
"""


def describe_exception(error: BaseException) -> str:
    """Returns an exception with its name, as a reason has it."""
    return f"{type(error).__name__}: {error}"
