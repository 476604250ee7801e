"""One thing that has to be told, and by when (R2, R3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tests.truth.judging.breaches import LOST_MORE
from tests.truth.judging.life import HIGH, MEDIUM, MINUTE, SECOND, Act, Bed

BEFORE: Final = 120 * SECOND
JUST_BEFORE: Final = 5 * SECOND
IN_TIME: Final = 10 * SECOND
# R2: how long a cuff's value beyond a limit waits for its repeat, and until when one still counts.
REPEAT: Final = 15 * MINUTE
REPEAT_COUNTS: Final = 16 * MINUTE


@dataclass(frozen=True, slots=True)
class Due:
    """One thing that has to be told; moments are UTC epoch ms.

    Attributes:
        patient: The patient's id.
        problem: What is told.
        level: The least priority of the message.
        why: begins, recurs (within an hour of its end), rises (in level), worse (than acknowledged).
        begins: Moment of its first reading.
        due: Moment at which it is due.
        latest: Last moment that is in time.
        until: Last moment at which the problem was seen.
        since: First moment of a message that counts.
        ends: End of a sign's problem, with its 60 s within limits; None for one that never joins.
        joins: Milliseconds before `due` in which naming it was enough, 0 for none (R6).
        acknowledged: Moment of its last acknowledgement until `due`, None for none.
    """

    patient: str
    problem: str
    level: int
    why: str
    begins: int
    due: int
    latest: int
    until: int
    since: int
    ends: int | None = None
    joins: int = 0
    acknowledged: int | None = None

    def __post_init__(self) -> None:
        if self.level not in (MEDIUM, HIGH) or not self.begins <= self.due <= self.latest:
            raise ValueError(f"no due thing of level {self.level} from {self.begins} to {self.due} to {self.latest}")


def one_onset(dues: Sequence[Due]) -> list[Due]:
    """Leaves out a medium onset that became high within its time (R3)."""
    highs = [due.due for due in dues if due.level == HIGH]
    return [d for d in dues if d.level == HIGH or not any(d.due <= high <= d.latest for high in highs)]


def acknowledgements(acts: Sequence[Act], problem: str) -> list[int]:
    """Moments at which the problem was acknowledged."""
    return [act.t for act in acts if act.act == "acknowledge" and problem in act.problems]


def more_for_lost(bed: Bed, due: Due) -> Due:
    """Gives 30 s more where a reading was lost before it was due (R2)."""
    first, after = np.searchsorted(bed.t, [due.begins, due.due + 1])
    return due if bed.heard[first:after].all() else replace(due, latest=due.latest + LOST_MORE)
