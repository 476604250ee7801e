"""Ends a stack whose owner is gone, also after a `kill -9`, so that a demo or a test never leaves a process behind.

`LocalStack` as a context manager starts `python -m infra.local.orphan_reaper VAR PID START_TICKS`, and ends it at its
orderly end.
"""

import signal
import sys
import time
from pathlib import Path

from infra.local.process import Processes, start_ticks

_LOOK_EVERY_S = 0.25


def main(var: str, owner: str, started: str) -> int:
    """Waits until the owner ended, then ends all that is recorded in `var`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while start_ticks(int(owner)) == int(started):
        time.sleep(_LOOK_EVERY_S)
    processes = Processes(Path(var))
    processes.end()
    (processes.run / "stack.json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
