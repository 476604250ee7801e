"""`python -m tests.support.fake_clock FILE MODULE WORDS…`: runs a module under a wall clock that a test can move.

FILE has the offset of the clock, s; without the file the offset is 0. The monotonic clock is not moved, as when a
machine's clock is set. The storm tests need it, because a machine's clock cannot be moved for one process only.
"""

import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 0.2


def off_s(file: Path) -> float:
    """Returns the offset of the clock, s."""
    try:
        return float(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


class Moved:
    """A wall clock with an offset to the machine's.

    Args:
        file: File with the offset, s.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ns = 0
        self._true = time.time_ns
        self.look()

    def look(self) -> None:
        """Reads the offset from the file."""
        self._ns = round(off_s(self._file) * 1_000_000_000)

    def time_ns(self) -> int:
        """Returns the time, ns."""
        return self._true() + self._ns

    def time(self) -> float:
        """Returns the time, s."""
        return self.time_ns() / 1_000_000_000

    def keep_looking(self) -> None:
        """Reads the file every `LOOK_EVERY_S`, without end."""
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY_S):
            self.look()


def main(arguments: list[str]) -> None:
    """Runs the module."""
    clock = Moved(Path(arguments[0]))
    time.time, time.time_ns = clock.time, clock.time_ns
    threading.Thread(target=clock.keep_looking, name="clock", daemon=True).start()
    sys.argv = arguments[1:]
    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
