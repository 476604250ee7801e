"""The fewest pages found with which the judge is content: by a pager that knows the truth, as a measure of load (R12).

It pages what is due and nothing else: a high problem when it is due, a medium one as late as it may. It names whatever
of the patient has begun and is not over for half an hour. It is a reference and no proven minimum.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from tests.truth.judging.due import Due
from tests.truth.judging.life import HIGH, MEDIUM, NOT_MONITORED, SECOND, Act, Bed, Life, Message
from tests.truth.judging.owed import of_bed
from tests.truth.judging.told import HANDED_WITHIN, HEARD_AGAIN, NAMED_WITHIN, Mail, answer

ROUNDS: Final = 5
"""Acknowledgements move what is due, which moves pages and so acknowledgements: three or four rounds settle it."""


def fewest(life: Life, answers_s: float | None, given: Sequence[Act] = ()) -> tuple[list[Message], list[Act]]:
    """Returns messages and acts of the pager that knows the truth.

    Args:
        life: The patients.
        answers_s: Time after which the nurse acknowledges each page, s; None: nobody does, and pages are handed over.
        given: Acts that no message caused, such as a standby.
    """
    messages: list[Message] = []
    acts: list[Act] = []
    for bed in life:
        own = [act for act in given if act.patient == bed.name]
        noted: list[Act] = []
        dues: list[Due] = []
        pages: list[Message] = []
        for _ in range(1 if answers_s is None else ROUNDS):
            dues = of_bed(bed, [*own, *noted])
            pages = list(_pages(bed, dues))
            noted = [] if answers_s is None else [_answered(page, round(answers_s * SECOND)) for page in pages]
        if answers_s is None and not life.alone:
            pages += _handovers(bed, dues, pages)
        messages += pages
        acts += [*own, *noted]
    return messages, acts


def _pages(bed: Bed, dues: Sequence[Due]) -> Iterator[Message]:
    told: list[Message] = []
    for due in sorted(dues, key=lambda d: (_when(d), d.due)):
        if not answer(due, Mail(bed.name, told)).missed:
            continue
        at = _when(due)
        level = max([due.level, *(d.level for d in dues if d.due <= at <= d.latest)])
        names = {due.problem} | {d.problem for d in dues if d.begins <= at <= d.until + NAMED_WITHIN}
        page = _message(bed, at, "page", level, names)
        told.append(page)
        yield page


def _when(due: Due) -> int:
    return due.due if due.level == HIGH else due.latest - 1


def _handovers(bed: Bed, dues: Sequence[Due], pages: Sequence[Message]) -> list[Message]:
    told = list(pages)
    for due in dues:
        last = answer(due, Mail(bed.name, told)).told
        within = HANDED_WITHIN[due.level]
        while last is not None and due.problem != NOT_MONITORED and due.until > last + within:
            last += within - 1
            told.append(_message(bed, last, "handover", due.level, {due.problem}))
            # Whoever is the last contact hears again for as long as it goes on.
            within = HEARD_AGAIN
    return told[len(pages) :]


def _message(bed: Bed, t: int, kind: str, level: int, names: set[str]) -> Message:
    to = "second" if kind == "handover" else "nurse"
    return Message(t=t, to=to, kind=kind, level=max(level, MEDIUM), beds=frozenset({bed.name}), names=frozenset(names))


def _answered(page: Message, after: int) -> Act:
    (patient,) = page.beds
    return Act(t=page.t + after, act="acknowledge", patient=patient, problems=page.names)
