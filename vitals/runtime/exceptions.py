"""Distinguishes exceptions that the input causes from those of the machine and its stores."""

import sqlite3
from typing import Final

NOT_CAUSED_BY_INPUT: Final = (MemoryError, OSError, sqlite3.Error)
"""Exceptions that the record does not cause: the process ends or retries, and the record is applied later.

Connection errors, time-outs and a full disk are all `OSError`.
"""


def describe_exception(error: BaseException) -> str:
    """Formats an exception with its type name, as a reason."""
    return f"{type(error).__name__}: {error}"
