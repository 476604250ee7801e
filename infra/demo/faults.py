"""What goes wrong in a demo with FAULTS=1, and when: decided before it starts, so that a run can be told again."""

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
    """A kind of fault."""

    KILL = "kill"
    """kill -9 of a process and all below it; it is started again."""
    STALL = "stall"
    """SIGSTOP of a process and all below it, then SIGCONT: it does not answer for a while."""
    RESTART = "restart"
    """A process is ended in order; it is started again."""
    CUT = "cut"
    """A link passes nothing and tells nobody, and heals."""
    SLOW = "slow"
    """A link passes `Fault.amount` bytes a second, and heals."""
    REFUSE = "refuse"
    """What is behind a link ends every connection and takes none, until it does again."""
    NEW_OUTBOX = "new-outbox"
    """A gateway is stopped in order, and goes on with an empty data folder: a new SD card."""
    FULL_DISK = "full-disk"
    """A gateway's card is full, until somebody makes room."""
    CLOCK = "clock"
    """A gateway's clock is `Fault.amount` s off, and is set right."""
    LOSE_STATE = "lose-state"
    """A job's own files are deleted under its hands; then it is killed."""
    THROTTLE = "throttle"
    """SNS takes `Fault.amount` messages a second, and refuses the others."""
    LOSE_ANSWERS = "lose-answers"
    """SNS takes the next `Fault.amount` messages, and none of its answers comes."""
    SLOW_ANSWERS = "slow-answers"
    """SNS answers after `Fault.amount` ms."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at_s: When it strikes, s after the first reading.
        what: What happens.
        target: The process, link or gateway that it happens to.
        for_s: How long it lasts, s; 0 for what is over at once.
        amount: How much of it: see `What`.
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
    """The one fault of the ordinary story: a gateway loses its uplink for a while."""
    return (Fault(at_s, What.CUT, gateway, for_s),)


def storm(
    processes: Sequence[str], *, stalled: Sequence[str], cut: str, new_outbox: str, duration_s: float, seed: int
) -> tuple[Fault, ...]:
    """Plans a kill of every process, a stall of each service that stands for somebody else's, a cut, a new SD card.

    The faults are spread evenly over the run in a random order; the new outbox comes last, as nobody swaps a card in
    the middle of an outage.

    Args:
        processes: Names of processes to kill.
        stalled: Names of services to stall instead: their data lives in their memory only.
        cut: Gateway whose uplink is cut for 60 s.
        new_outbox: Gateway that gets a new outbox.
        duration_s: Length of the run, s.
        seed: Decides the order.
    """
    faults = [(What.KILL, name, 0.0) for name in processes]
    faults += [(What.STALL, name, STALL_S) for name in stalled]
    random.Random(seed).shuffle(faults)  # noqa: S311 - a schedule, not a secret
    faults.append((What.NEW_OUTBOX, new_outbox, 0.0))
    first, last = FIRST_AT * duration_s, LAST_AT * duration_s
    step = (last - first) / max(1, len(faults) - 1)
    planned = [Fault(first + i * step, what, target, for_s) for i, (what, target, for_s) in enumerate(faults)]
    return tuple(sorted([*planned, Fault(first, What.CUT, cut, CUT_S)], key=lambda fault: fault.at_s))
