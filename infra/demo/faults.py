"""Faults of a demo with FAULTS=1 and their times, planned before it starts so that a run can be repeated."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CUT_S: Final = 60.0
STALL_S: Final = 5.0
FIRST_AT: Final = 0.08
LAST_AT: Final = 0.85
"""Share of the run before which every fault has struck: the last one must be seen to heal."""


class What(StrEnum):
    """Kind of a fault."""

    KILL = "kill"
    """kill -9 of a process and all its children; it is restarted."""
    STALL = "stall"
    """SIGSTOP of a process and all its children, then SIGCONT: it does not answer for a while."""
    RESTART = "restart"
    """A process is stopped in order; it is restarted."""
    CUT = "cut"
    """A link passes nothing without closing connections, and is restored."""
    SLOW = "slow"
    """A link passes `Fault.amount` bytes a second, and is restored."""
    REFUSE = "refuse"
    """A link closes every connection and accepts none, until it is restored."""
    NEW_OUTBOX = "new-outbox"
    """A gateway is stopped in order and restarted with an empty data folder: a new SD card."""
    FULL_DISK = "full-disk"
    """A gateway's card is full, until space is freed."""
    CLOCK = "clock"
    """A gateway's clock is `Fault.amount` s off, and is set right."""
    LOSE_STATE = "lose-state"
    """A job's own files are deleted while it runs; then it is killed."""
    THROTTLE = "throttle"
    """SNS accepts `Fault.amount` messages a second, and refuses the others."""
    LOSE_ANSWERS = "lose-answers"
    """SNS accepts the next `Fault.amount` messages, but sends no answer."""
    SLOW_ANSWERS = "slow-answers"
    """SNS answers after `Fault.amount` ms."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at_s: Time after the first reading, s.
        what: Its kind.
        target: Process, link or gateway.
        for_s: Duration, s; 0 for a fault without one.
        amount: Size of it: see `What`.
    """

    at_s: float
    what: What
    target: str
    for_s: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        much = f" {self.amount:g}" if self.amount else ""
        return f"{self.what.value} {self.target}{much}" + (f" for {self.for_s:g} s" if self.for_s else "")


def cuts(gateway: str, at_s: float, for_s: float) -> tuple[Fault, ...]:
    """The one fault of the ordinary scenario: a gateway loses its uplink for a while."""
    return (Fault(at_s, What.CUT, gateway, for_s),)


def storm(
    processes: Sequence[str], *, stalled: Sequence[str], cut: str, new_outbox: str, duration_s: float, seed: int
) -> tuple[Fault, ...]:
    """Plans a kill of every process, a stall of each stand-in of an outside service, a cut, a new SD card.

    The faults are spread evenly over the run in a random order. The new outbox is the last, since nobody swaps a card
    during an outage.

    Args:
        processes: Names of processes to kill.
        stalled: Names of services to stall instead: their data is only in memory.
        cut: Gateway whose uplink is cut for 60 s.
        new_outbox: Gateway that gets a new outbox.
        duration_s: Length of the run, s.
        seed: Seed of the order.
    """
    faults = [(What.KILL, name, 0.0) for name in processes]
    faults += [(What.STALL, name, STALL_S) for name in stalled]
    random.Random(seed).shuffle(faults)  # noqa: S311 - a schedule, not a secret
    faults.append((What.NEW_OUTBOX, new_outbox, 0.0))
    first, last = FIRST_AT * duration_s, LAST_AT * duration_s
    step = (last - first) / max(1, len(faults) - 1)
    planned = [Fault(first + i * step, what, target, for_s) for i, (what, target, for_s) in enumerate(faults)]
    return tuple(sorted([*planned, Fault(first, What.CUT, cut, CUT_S)], key=lambda fault: fault.at_s))
