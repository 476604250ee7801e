"""Plan of a roster file: the effect of each row on the present patients.

**A file never undoes a change at the bed.** Limits, profile, SpO2 scale and oxygen of a present patient stay; the plan
names the differences. An empty cell changes nothing. A discharged patient is not admitted again: a person does so at
the page, in sight of the former stay. A row without changes is not written, so that the begin of a stay and its
version stay valid.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from cloud.admissions.admission_rows import Stated
from vitals.admissions import Admission

PLACE: Final = ("ward", "bed", "gateway", "devices")
FACTS: Final = ("name", "born", "phone", "address", *PLACE, "cadence_s", "cuff_s", "news2")
AT_THE_BED: Final = ("profile", "overrides", "scale2", "oxygen")


class Effect(StrEnum):
    """Effect of a row."""

    ADMIT = "admit"
    CHANGE = "change"
    SAME = "same"
    LEFT = "left"
    """The patient was discharged: the row has no effect."""
    REFUSED = "refused"
    """Bed or device belongs to another present patient."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One row's effect.

    Attributes:
        line: Line of the file.
        patient: Patient id.
        name: Name in the file.
        effect: Effect.
        changes: Former and new value of each changed fact.
        kept: Facts of the bed with another value in the file; they stay.
        reason: Reason of a refusal.
        admission: Admission to write; None without one.
    """

    line: int
    patient: str
    name: str
    effect: Effect
    changes: dict[str, tuple[str, str]] = {}
    kept: tuple[str, ...] = ()
    reason: str = ""
    admission: Admission | None = None


def plan(rows: Iterable[tuple[int, Stated]], known: Mapping[str, Admission]) -> list[Step]:
    """Returns the effect of each row.

    Args:
        rows: Rows of a checked file with their lines: no bed and no device twice in it.
        known: Newest admission by patient, discharged ones included.
    """
    steps = [_step(line, row, stated, known.get(row.patient)) for line, (row, stated) in rows]
    return _without_clashes(steps, known)


def _step(line: int, row: Admission, stated: frozenset[str], known: Admission | None) -> Step:
    made = Step(line=line, patient=row.patient, name=row.name, effect=Effect.SAME)
    if known is None:
        return replace(made, effect=Effect.ADMIT, admission=row)
    if known.discharged is not None:
        return replace(made, effect=Effect.LEFT, reason="was discharged: admit at the page")
    # An empty cell and a missing column state nothing: the parser's defaults are for new patients.
    differing = [field for field in (*FACTS, *AT_THE_BED) if getattr(row, field) != getattr(known, field)]
    changed = [field for field in differing if field in FACTS and field in stated]
    kept = tuple(field for field in differing if field in AT_THE_BED and field in stated)
    if not changed:
        return replace(made, kept=kept)
    moves = any(field in PLACE for field in changed)
    values = {field: getattr(row, field) for field in changed}
    since = row.since if moves else known.since
    wanted = replace(known, **values, since=since, version=max(row.version, known.version + 1))
    changes = {field: (_word(getattr(known, field)), _word(getattr(row, field))) for field in changed}
    # `replace` skips the checks of construction.
    admission = msgspec.convert(msgspec.to_builtins(wanted), Admission)
    return replace(made, effect=Effect.CHANGE, changes=changes, kept=kept, admission=admission)


def _without_clashes(steps: list[Step], known: Mapping[str, Admission]) -> list[Step]:
    """Refuses rows with a bed or device of another patient; a refused row may make others impossible."""
    before = {p: _claims(a) for p, a in known.items() if a.discharged is None}
    while True:
        after = before | {s.patient: _claims(s.admission) for s in steps if s.admission is not None}
        held = Counter(claim for claims in after.values() for claim in claims)
        refused = [_refused(step, held, before.get(step.patient, frozenset())) for step in steps]
        if refused == steps:
            return steps
        steps = refused


def _claims(admission: Admission) -> frozenset[tuple[str, str]]:
    return frozenset((("bed", admission.bed), *(("device", device) for device in admission.devices)))


def _refused(step: Step, held: Mapping[tuple[str, str], int], own: frozenset[tuple[str, str]]) -> Step:
    if step.admission is None:
        return step
    taken = sorted(claim for claim in _claims(step.admission) - own if held[claim] > 1)
    if not taken:
        return step
    what, name = taken[0]
    reason = f"{what} {name} belongs to another present patient"
    return replace(step, effect=Effect.REFUSED, reason=reason, changes={}, kept=(), admission=None)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple) else str(value)
