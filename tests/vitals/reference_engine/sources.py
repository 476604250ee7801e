"""The sign that decides on a problem in one reading; `vitals.engine.evaluate_row` describes the rule."""

from tests.vitals.reference_engine.patient import Condition, Patient, Reading
from tests.vitals.reference_engine.sign_rules import beyond
from vitals.signs import FIELDS, Suspect

ONE_PROBLEM = {"hr": ("hr", "pr"), "sbp": ("sbp", "map")}
PROBLEMS = {f: ONE_PROBLEM.get(f, (f,)) for f in FIELDS if f not in {"pr", "map"}}
VANISH = ("rr", "spo2")


def sources(patient: Patient, r: Reading) -> dict[str, str]:
    """Returns the deciding sign by problem; a problem of which nothing was measured is left out."""
    found = {}
    for name, members in PROBLEMS.items():
        measured = [f for f in members if f in r.values]
        if measured:
            found[name] = _rate(patient, r) if name == "hr" else min(measured, key=lambda f: _rank(r, f))
    return {name: f for name, f in found.items() if f is not None}


def _rank(r: Reading, f: str) -> tuple[bool, bool, bool]:
    """Returns the order of two values of one problem: trusted before suspect, extreme before beyond before within."""
    side, extreme = beyond(r.values[f], r.limits[f])
    return not r.trusted(f), not extreme, side == 0


def _rate(patient: Patient, r: Reading) -> str | None:
    if "hr" not in r.values:
        known = "hr" in patient.had and not {"hr"} & (patient.gone | patient.off)
        return None if known and not patient.lacks(r, "hr") else "pr"
    if r.trusted("hr") or not r.trusted("pr"):
        return "hr"
    return "hr" if beyond(r.values["hr"], r.limits["hr"])[1] else "pr"


def zeros(patient: Patient, r: Reading) -> list[str]:
    """Returns the signs whose zero counts as an extreme value: after two extreme ones, unless circulation is lost."""
    if patient.conditions.get("vital-signs-lost", Condition("")).holds:
        return []
    found = []
    for f in VANISH:
        c = patient.conditions.get(f)
        if c is None or r.codes[f] != Suspect.DROPOUT or c.extreme_since is None or c.side > 0:
            continue
        if c.extremes[-2:] == [True, True]:
            found.append(f)
    return found
