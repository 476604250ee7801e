"""`python -m tests.faults.bedside.machine FOLDER MODULE`: runs a module on a machine of its own clock, keeper and boot.

FOLDER tells how that machine is: `clock` by how many seconds its clock is off (`tests.support.fake_clock`), `set`,
which exists once the clock's keeper says that it is set, and `booted`, the host's seconds since its own boot at which
this machine was booted. The kernel around us has one clock for all, and its keeper's word would be everybody's.
"""

import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Final

from edge.clock import synchronisation
from tests.support.fake_clock import Moved

CLOCK: Final = "clock"
SET: Final = "set"
BOOTED: Final = "booted"


def main(arguments: list[str]) -> None:
    """Runs the module."""
    folder = Path(arguments[0])
    clock = Moved(folder / CLOCK)
    booted_ns = round(float((folder / BOOTED).read_text()) * 1e9)
    of_host = time.clock_gettime_ns

    def since_boot(which: int) -> int:
        return of_host(which) - (booted_ns if which == time.CLOCK_BOOTTIME else 0)

    time.time, time.time_ns, time.clock_gettime_ns = clock.time, clock.time_ns, since_boot
    synchronisation.synchronised = lambda timesync=folder / SET: timesync.exists()
    threading.Thread(target=clock.keep_looking, name="clock", daemon=True).start()
    sys.argv = arguments[1:]
    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
