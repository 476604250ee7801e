"""What was told of what was due: in time, late, joined or never; and what was handed over (R3, R5, R6, R7)."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from tests.truth.judging.due import JUST_BEFORE, Due
from tests.truth.judging.life import (
    CIRCULATION,
    HIGH,
    MEDIUM,
    MINUTE,
    NOT_MONITORED,
    SECOND,
    Act,
    Message,
)
from tests.truth.judging.points import NONE, Conceded, Point

ON_THE_WAY: Final = 120 * SECOND
NAMED_WITHIN: Final = 30 * MINUTE
NEVER_AFTER: Final = 10 * MINUTE
TELLING: Final = frozenset({"page", "handover"})
NAMING: Final = TELLING | {"reminder"}
# R7, after it was told: how soon a message of higher priority stands in for the handover, and when it is missing.
HIGHER_WITHIN: Final = {HIGH: 100 * SECOND, MEDIUM: 570 * SECOND}
HANDED_WITHIN: Final = {HIGH: 180 * SECOND, MEDIUM: 690 * SECOND}
# R7: whoever is the last contact hears again after ten minutes; as late as a medium handover may be.
HEARD_AGAIN: Final = HANDED_WITHIN[MEDIUM]
# Where conceded: the reference judge takes these other names for the problem's own.
SYNONYMS: Final = {CIRCULATION: "rate-low", NOT_MONITORED: CIRCULATION}


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to one due thing.

    Attributes:
        due: What was due.
        how: told, joined, late or unpaged.
        told: Moment of the message that told it, in time or late; None for none.
    """

    due: Due
    how: str
    told: int | None = None

    @property
    def missed(self) -> bool:
        """Tells whether it was told to nobody in time and joined nothing."""
        return self.how in ("late", "unpaged")


class Mail:
    """The messages about one patient, by time."""

    def __init__(self, patient: str, messages: Sequence[Message]) -> None:
        mine = [_of_one(m) for m in messages if patient in m.beds]
        self.all = sorted(mine, key=lambda m: m.t)
        self._times = [m.t for m in self.all]

    def between(self, first: int, last: int) -> Iterator[Message]:
        """Yields the messages of a time, both ends included."""
        for k in range(bisect_left(self._times, first), len(self.all)):
            if self._times[k] > last:
                return
            yield self.all[k]


def _of_one(m: Message) -> Message:
    """Returns a message as it speaks of one patient: of several it says *not monitored* alone (R10)."""
    return replace(m, names=m.names & {NOT_MONITORED}) if m.several else m


def names(m: Message, problem: str, level: int = MEDIUM) -> bool:
    """Tells whether somebody read the problem's name in it, at the level at least."""
    return m.reached and m.kind in NAMING and m.level >= level and problem in m.names


def tells(m: Message, due: Due, conceded: Conceded) -> bool:
    """Tells whether the message tells what is due, whenever it went."""
    kinds = TELLING | {"technical"} if due.problem == NOT_MONITORED else TELLING
    accepted = {due.problem}
    if Point.NAMES in conceded and due.problem in SYNONYMS:
        accepted.add(SYNONYMS[due.problem])
    return m.reached and m.kind in kinds and m.level >= due.level and not accepted.isdisjoint(m.names)


def answer(due: Due, mail: Mail, conceded: Conceded = NONE) -> Answer:
    """Finds how one due thing was answered.

    Args:
        due: What was due.
        mail: The messages about its patient.
        conceded: Points to decide as the reference judge does.
    """
    telling = (m.t for m in mail.between(due.since, due.due + NEVER_AFTER) if tells(m, due, conceded))
    told = next(telling, None)
    if told is not None and told <= due.latest:
        return Answer(due, "told", told)
    if _known(due, mail) or _on_the_way(due, mail):
        return Answer(due, "joined")
    return Answer(due, "unpaged" if told is None else "late", told)


def _named_or_over(due: Due, mail: Mail) -> bool:
    """A medium problem that joined is named within 30 min, or is over by then."""
    if due.ends is not None and due.ends - due.due < NAMED_WITHIN:
        return True
    return any(names(m, due.problem) for m in mail.between(due.begins - JUST_BEFORE, due.due + NAMED_WITHIN))


def _known(due: Due, mail: Mail) -> bool:
    """One that returned joins where it was named or acknowledged not long ago (R6)."""
    if not due.joins:
        return False
    named = any(names(m, due.problem, due.level) for m in mail.between(due.due - due.joins, due.latest))
    if due.level == HIGH:
        return named
    acknowledged = due.acknowledged is not None and due.acknowledged >= due.due - due.joins
    return (named or acknowledged) and _named_or_over(due, mail)


def _on_the_way(due: Due, mail: Mail) -> bool:
    """A medium one joins a page of the patient of the last 120 s (R5)."""
    if due.level != MEDIUM or due.why == "worse" or due.problem in (NOT_MONITORED, CIRCULATION):
        return False
    lately = mail.between(due.due - ON_THE_WAY, due.latest)
    paged = any(m.reached and m.kind in TELLING and m.level >= MEDIUM for m in lately)
    return paged and _named_or_over(due, mail)


def masked(due: Due, dues: Sequence[Due]) -> bool:
    """Tells whether another problem of the patient was going on when it was due; `dues` are the patient's."""
    others = (other for other in dues if other.problem != due.problem)
    return any(other.begins <= due.due <= other.until + MINUTE for other in others)


def dropped(answered: Answer, mail: Mail, acts: Sequence[Act], conceded: Conceded = NONE) -> bool:
    """Tells whether a problem went on unacknowledged and was not handed over (R7).

    Args:
        answered: How the problem was told.
        mail: The messages about its patient.
        acts: What people did about this patient.
        conceded: Points to decide as the reference judge does.
    """
    due, told = answered.due, answered.told
    if told is None or due.problem == NOT_MONITORED or (answered.how == "late" and Point.GOES_ON in conceded):
        return False
    within = told + HANDED_WITHIN[due.level]
    taken = [a.t for a in acts if a.act != "standby" and due.problem in a.problems and a.t >= told]
    goes_on = due.until > within and not any(t <= within for t in taken)
    if not goes_on or _told_higher(due, told, mail):
        return False
    if not _handed_over(due, told, mail):
        return True
    if Point.GOES_ON in conceded:
        return False
    return _fell_silent(due, told, min([due.until, *taken]), mail)


def _told_higher(due: Due, told: int, mail: Mail) -> bool:
    soon = mail.between(told + 1, told + HIGHER_WITHIN[due.level])
    return any(m.reached and m.kind in TELLING and m.level > due.level for m in soon)


def _handed_over(due: Due, told: int, mail: Mail) -> bool:
    """Another person than the patient's first contact was handed the problem."""
    first = next(m.to for m in mail.all if m.kind in TELLING | {"technical"})
    lately = mail.between(told - ON_THE_WAY, told + HANDED_WITHIN[due.level])
    return any(m.kind == "handover" and m.to != first and names(m, due.problem) for m in lately)


def _fell_silent(due: Due, told: int, until: int, mail: Mail) -> bool:
    """Tells whether nobody heard of it for more than ten minutes while it went on: even the last contact has to."""
    again = [m.t for m in mail.between(told, until) if m.kind in TELLING and names(m, due.problem)]
    moments = [told, *again, until]
    return any(after - before > HEARD_AGAIN for before, after in pairwise(moments))
