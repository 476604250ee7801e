"""Judges the lights at the beds from patients' true states: dark, late, stuck, or another patient's. Pure.

It shares no rule with the product: what is due is the requirements' (`due.py`), and nothing of the alarm engine, the
gateway or the cloud is imported, nor may it be.

- **dark**: a faultless device showed a breach for its delay and for its budget after that, and while it lasted the
  light of the bed showed no active alarm of that patient of at least its priority;
- **late**: it did, after the budget;
- **gone**: it did, and showed none again for longer than 10 s, or a slow cadence more, while the breach went on;
- **stuck**: an active alarm stood for more than 60 s, a cadence and 10 s of readings within limits, by the patient's
  state and by what a faultless device showed; a latched one has ended already;
- **wrong bed**: a light showed an alarm of a patient who lay elsewhere, or of nobody who is known.

A patient who moves takes a breach along: the light of the new bed owes it from then on. What struck the bed's own
gateway or broker excuses nothing: until it is whole again a light may stay as it is, and then it owes what is so.

A life is as `judge.py` defines it. Times are UTC epoch ms by the recorder's clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from tests.truth.due import GROUPS, HIGH, LOW, MEDIUM, SECOND_MS, SIGNS, Due, Flags, Life, levels, owed

RANK: Final[Mapping[str | None, int]] = {None: 0, "low": LOW, "medium": MEDIUM, "high": HIGH}
PROBLEM_OF: Final = {
    **{SIGNS[sign]: group for group, signs in GROUPS.items() for sign in signs},
    "dbp": "pressure",
    "vital-signs-lost": "circulation",
}
"""What an alarm's condition is about; others, such as a score or a sensor, are judged by nothing here but their bed."""
WITHIN_MS: Final = 60_000
STUCK_MS: Final = 10_000
GONE_MS: Final = 10_000
MOVE_MS: Final = 10_000
"""A move is known at the gateway within this."""
END: Final = 1 << 60
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """One alarm on a light.

    Attributes:
        id: Its id.
        subject: The patient, or the equipment, that it is about.
        condition: Its condition.
        priority: Low, medium or high.
        state: Active, or latched.
        text: What it says.
    """

    id: str
    subject: str
    condition: str
    priority: str
    state: str = "active"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Light:
    """State of a bed's light from a moment on.

    Attributes:
        t: When the recorder had it.
        gateway: Whose light.
        bed: Bed, by the topic.
        alarms: Its alarms.
        says: Bed that the message itself names; None where it names none.
    """

    t: int
    gateway: str
    bed: str
    alarms: tuple[Shown, ...] = ()
    says: str | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """A patient in a bed.

    Attributes:
        patient: Patient.
        bed: Bed.
        since: From when the light of the bed owes the patient.
        until: Until when.
        told: From when it may show the patient, where that is earlier.
        left: Until when, where that is later.
    """

    patient: str
    bed: str
    since: int
    until: int = END
    told: int = END
    left: int = 0


@dataclass(slots=True)
class Verdict:
    """Findings.

    Attributes:
        due: Breaches that a light had to show.
        dark: Of these, never shown.
        late: Of these, shown after their budget.
        gone: Of these, shown, and dark again while they went on.
        hindered: Breaches that were over before the bed's own gateway or broker was whole again: not judged.
        brief: Breaches that were over before their budget was: not judged.
        stuck: Active alarms that nothing bore out any more.
        wrong_bed: Alarms on a light at which their patient did not lie.
        worst_ms: The longest from a breach's first reading to its light.
        lines: Each failure, for a person who looks for it.
    """

    due: int = 0
    dark: int = 0
    late: int = 0
    gone: int = 0
    hindered: int = 0
    brief: int = 0
    stuck: int = 0
    wrong_bed: int = 0
    worst_ms: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)


def judge(
    life: Life,
    stays: Sequence[Stay],
    lights: Iterable[Light],
    ends: int,
    struck: Mapping[str, Sequence[Span]] | None = None,
) -> Verdict:
    """Judges every light.

    Args:
        life: True states.
        stays: Who lay where.
        lights: What was recorded, in order of time.
        ends: When the recording ended.
        struck: By bed, spans in which its own gateway or broker was struck, and had time to be whole again.
    """
    spans = _spans(lights, ends)
    verdict = Verdict()
    patients = [str(patient) for patient in life["patients"]]
    cadence_ms = round(1000 * float(life["cadence_s"]))
    for row, patient in enumerate(patients):
        mine = [s for s in stays if s.patient == patient]
        for stay in mine:
            busy = sorted((struck or {}).get(stay.bed, ()))
            shown_there = [(shown, a, b) for shown, a, b in spans.get(stay.bed, ()) if shown.subject == patient]
            moved = any(s.since < stay.since for s in mine)
            for due in _owed_there(life, row, stay, moved=moved):
                there = replace(due, until=min(due.until, stay.until, ends))
                _shown_in_time(verdict, there, shown_there, busy, cadence_ms)
            for shown, a, b in _merged(shown_there):
                _ended_in_time(verdict, life, row, shown=shown, span=(a, b), busy=busy)
    for bed, shown_there in spans.items():
        _at_their_beds(verdict, bed, shown_there, stays, set(patients))
    return verdict


def _owed_there(life: Life, row: int, stay: Stay, *, moved: bool) -> Iterator[Due]:
    """Yields what the light of this bed owes: what begins there, and what a patient who moves brings along."""
    for due in owed(life, row):
        if stay.since <= due.begins < stay.until:
            yield due
        elif moved and due.begins < stay.since < due.until:
            yield replace(due, begins=stay.since, by=max(due.by, stay.since + MOVE_MS))


def _spans(lights: Iterable[Light], ends: int) -> dict[str, list[tuple[Shown, int, int]]]:
    """Returns by bed what its light showed, each from when until when."""
    by_bed: dict[str, list[Light]] = {}
    for light in lights:
        by_bed.setdefault(light.bed, []).append(light)
    found: dict[str, list[tuple[Shown, int, int]]] = {}
    for bed, told in by_bed.items():
        until = [*(light.t for light in told[1:]), ends]
        found[bed] = [
            (shown, light.t, b) for light, b in zip(told, until, strict=True) for shown in light.alarms if light.t < b
        ]
        # A message about another bed is another bed's, whatever topic it came by.
        found[bed] += [
            (Shown("?", light.says, "bed", "low"), light.t, b)
            for light, b in zip(told, until, strict=True)
            if light.says not in {None, bed}
        ]
    return found


def _merged(spans: Iterable[tuple[Shown, int, int]]) -> Iterator[tuple[Shown, int, int]]:
    """Joins what one alarm showed as active in one message after another."""
    open_: dict[str, tuple[Shown, int, int]] = {}
    for shown, a, b in sorted(spans, key=lambda span: span[1]):
        if shown.state != "active":
            continue
        before = open_.get(shown.id)
        if before is not None and before[2] >= a:
            open_[shown.id] = shown, before[1], b
        else:
            if before is not None:
                yield before
            open_[shown.id] = shown, a, b
    yield from open_.values()


def _whole_by(due: Due, busy: Sequence[Span]) -> int:
    """Returns by when a light is due that was struck: when it was whole again."""
    by = due.by
    for first, last in busy:
        if first <= by and last >= due.begins:
            by = max(by, last)
    return by


def _shown_in_time(
    verdict: Verdict, due: Due, mine: Sequence[tuple[Shown, int, int]], busy: Sequence[Span], cadence_ms: int
) -> None:
    until = due.until
    by = _whole_by(due, busy)
    if until < by:
        verdict.brief += by == due.by
        verdict.hindered += by > due.by
        return
    verdict.due += 1
    enough = [
        (max(a, due.begins), b)
        for shown, a, b in mine
        if shown.state == "active" and RANK[shown.priority] >= due.level and a <= until and b > due.begins
    ]
    if not enough:
        verdict.dark += 1
        verdict.lines.append(_line("dark", due) | {"by": by})
        return
    first = min(enough)[0]
    if by == due.by:
        verdict.worst_ms = max(verdict.worst_ms, first - due.begins)
    if first > by:
        verdict.late += 1
        verdict.lines.append(_line("late", due) | {"by": by, "shown": first})
    allowed = GONE_MS + (cadence_ms if cadence_ms > SECOND_MS else 0)
    lit = max(first, by)
    for a, b in sorted([*enough, *busy, (until, until)]):
        if min(a, until) - lit > allowed:
            verdict.gone += 1
            verdict.lines.append(_line("gone", due) | {"from": lit, "to": min(a, until)})
            return
        lit = max(lit, b)


def _line(what: str, due: Due) -> dict[str, Any]:
    told = {"patient": due.patient, "problem": due.problem, "level": due.level, "begins": due.begins}
    return {"what": what, **told, "by": due.by, "until": due.until}


def _ended_in_time(verdict: Verdict, life: Life, row: int, *, shown: Shown, span: Span, busy: Sequence[Span]) -> None:
    """Holds an active alarm against the readings within limits that it stood through."""
    problem = PROBLEM_OF.get(shown.condition)
    if problem is None or RANK[shown.priority] < MEDIUM:
        return
    t, heard = life["t"][row], life["heard"][row]
    beyond = _beyond(life, row, problem)
    a, b = span
    at = t[beyond & (t >= a) & (t <= b)]
    cadence_ms = 1000 * float(life["cadence_s"])
    longest = WITHIN_MS + cadence_ms + STUCK_MS
    # Where no reading came, or who shows it was struck, nobody could know that it was over.
    known = heard.copy()
    for first, last in busy:
        known &= (t < first) | (t > last)
    for p, q in pairwise([a, *at.tolist(), b]):
        within = int((known & (t > p) & (t < q)).sum()) * cadence_ms
        if within > longest:
            verdict.stuck += 1
            verdict.lines.append({"what": "stuck", "patient": shown.subject, "alarm": shown.id, "from": p, "to": q})
            return


def _beyond(life: Life, row: int, problem: str) -> Flags:
    """Returns (m,) whether the state, or what a faultless device showed, was beyond a limit of the problem."""
    pulse: Flags = life["pulse"][row]
    found: Flags = ~pulse
    if problem == "circulation":
        return found
    for values in (life["state"][row], life["shown"][row]):
        for side in ("low", "high"):
            found = found | (levels(values, life["limits"][row], problem, side) >= MEDIUM)
    return found


def _at_their_beds(
    verdict: Verdict, bed: str, shown_there: Sequence[tuple[Shown, int, int]], stays: Sequence[Stay], known: set[str]
) -> None:
    """Holds whose alarms a light showed against who lay there."""
    told: set[tuple[str, str]] = set()
    for shown, a, b in shown_there:
        of_patient = shown.subject in known or shown.condition in PROBLEM_OF
        if not of_patient and shown.condition != "bed":
            continue  # equipment
        there = any(
            s.bed == bed
            and s.patient == shown.subject
            and min(s.since, s.told) - MOVE_MS <= a
            and b <= max(s.until, s.left) + MOVE_MS
            for s in stays
        )
        if not there and (shown.id, shown.subject) not in told:
            told.add((shown.id, shown.subject))
            verdict.wrong_bed += 1
            verdict.lines.append({"what": "wrong bed", "bed": bed, "alarm": shown.id, "about": shown.subject, "t": a})
