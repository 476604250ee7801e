"""Advice on a patient's limits, computed by `python -m cloud advise` in a process of its own.

The replay keeps a processor core busy for seconds; within the page's process it would delay every open ward.
"""

import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

WITHIN_S: Final = 90.0
NO_READINGS: Final = "the lake has no readings"


class AdviceError(RuntimeError):
    """There is no advice; the message contains the reason."""


class Advisor(Protocol):
    """Source of advice, as seen by the page."""

    def advise(self, patient: str, until: int) -> list[dict[str, Any]]:
        """Returns each tried limit of a patient's day up to `until`, UTC epoch ms; see `cloud.replay.advice.Advice`.

        Raises:
            AdviceError: There is none.
        """


class AdviceProcess:
    """`Advisor` by the command line; the environment of the page has `LAKE`."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "cloud", "advise")) -> None:
        self._command = command
        self._busy = threading.Lock()

    def advise(self, patient: str, until: int) -> list[dict[str, Any]]:
        """See `Advisor`."""
        if not self._busy.acquire(blocking=False):
            raise AdviceError("Another advice is being computed: try again in a minute")
        try:
            moment = datetime.fromtimestamp(until / 1000, UTC).isoformat()
            done = subprocess.run(  # noqa: S603 - a list without shell; `--` ends the options
                [*self._command, "--json", "--until", moment, "--", patient],
                capture_output=True,
                text=True,
                check=False,
                timeout=WITHIN_S,
            )
        except subprocess.TimeoutExpired as error:
            raise AdviceError(f"The advice was not computed within {WITHIN_S:.0f} s") from error
        finally:
            self._busy.release()
        if NO_READINGS in done.stderr:
            return []
        if done.returncode != 0:
            raise AdviceError(f"No advice: {done.stderr.strip().splitlines()[-1:] or ['the command failed']}")
        return msgspec.json.decode(done.stdout, type=list[dict[str, Any]])


class NoAdvisor:
    """`Advisor` of a page without a lake."""

    def advise(self, patient: str, until: int) -> list[dict[str, Any]]:
        """See `Advisor`."""
        raise AdviceError("Advice on limits needs the setting LAKE")
