"""The audit trail of the registry: one JSON line per change, written before the next change is made."""

import datetime
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import TextIO


class Outcome(StrEnum):
    """Outcome of one step."""

    DONE = "done"
    ALREADY = "already"
    PLANNED = "planned"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Audit:
    """Writes the audit trail; safe from several threads.

    Attributes:
        actor: ARN of the caller.
        places: Files to which the lines are written.
        now: The time, aware.
        counts: Number of steps by outcome.
    """

    actor: str
    places: Iterable[TextIO]
    now: Callable[[], datetime.datetime]
    counts: Counter[Outcome] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def tell(self, action: str, subject: str, outcome: Outcome, **detail: object) -> None:
        """Writes one line."""
        time = self.now().isoformat(timespec="milliseconds")
        line = {"time": time, "actor": self.actor, "action": action, "subject": subject, "outcome": outcome, **detail}
        with self._lock:
            self.counts[outcome] += 1
            for place in self.places:
                place.write(json.dumps(line) + "\n")
                place.flush()
