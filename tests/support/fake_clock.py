"""`python -m tests.support.fake_clock FILE MODULE WORDS…`: runs a module under a wall clock that somebody moves.

FILE holds by how many seconds the clock is off; without it the clock is right. The monotonic clock stays, as it does
when a machine's clock is set. For storms: a clock cannot be moved for one process alone otherwise.
"""

import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 0.2


def off_s(file: Path) -> float:
    """Returns by how much the clock is off, s."""
    try:
        return float(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


class Moved:
    """A wall clock beside the machine's.

    Args:
        file: Tells by how much it is off.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ns = 0
        self._true = time.time_ns
        self.look()

    def look(self) -> None:
        """Takes note of what the file says."""
        self._ns = round(off_s(self._file) * 1_000_000_000)

    def time_ns(self) -> int:
        """Returns the time, ns."""
        return self._true() + self._ns

    def time(self) -> float:
        """Returns the time, s."""
        return self.time_ns() / 1_000_000_000

    def keep_looking(self) -> None:
        """Looks at the file for ever."""
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
