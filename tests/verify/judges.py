"""Our judge beside the reference judge in the shared folder, on one life, row for row and line for line."""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy.typing as npt

from tests.truth.judge import Judgement, judge
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.judging.owed import of_bed
from tests.truth.judging.points import NONE, Conceded

Arrays = Mapping[str, npt.NDArray[Any]]
Lines = Sequence[Mapping[str, Any]]


@cache
def reference() -> ModuleType:
    """Loads the reference judge by its path."""
    path = Path(os.environ["SHARED"]) / "truth" / "judge.py"
    spec = importlib.util.spec_from_file_location("reference_judge", path)
    assert spec is not None, f"{path} cannot be loaded"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def ours(life: Arrays, messages: Lines, acts: Lines, conceded: Conceded = NONE) -> Judgement:
    """Judges with our judge; the arguments are a LIFE file's arrays and the lines of the two other files."""
    return judge(life_of(life), [message_of(line) for line in messages], [act_of(line) for line in acts], conceded)


def theirs(life: Arrays, messages: Lines, acts: Lines) -> Judgement:
    """Judges with the reference judge."""
    rows = reference().judge(dict(life), [dict(line) for line in messages], [dict(line) for line in acts])
    return Judgement(dict(rows.values), list(rows.lines))


def compare(life: Arrays, messages: Lines, acts: Lines, conceded: Conceded = NONE) -> list[str]:
    """Returns what the two judges say differently: rows, lines, and what was due of whom, by when; nothing if nothing.

    Args:
        life: The arrays of a LIFE file.
        messages: The lines of a MESSAGES file.
        acts: The lines of an ACTS file.
        conceded: Points that our judge decides as the reference judge does.
    """
    mine, other = ours(life, messages, acts, conceded), theirs(life, messages, acts)
    names = [*mine.rows, *(name for name in other.rows if name not in mine.rows)]
    found = [
        f"{name}: ours {mine.rows.get(name)}, theirs {other.rows.get(name)}"
        for name in names
        if mine.rows.get(name) != other.rows.get(name)
    ]
    found += _apart("line", map(_text, mine.lines), map(_text, other.lines))
    return found + _apart("due", our_dues(life, acts, conceded), their_dues(life, acts))


def our_dues(life: Arrays, acts: Lines, conceded: Conceded = NONE) -> list[str]:
    """Lists what was due by our judge: patient, problem, level, reason, first reading, due, latest, last seen."""
    done = [act_of(line) for line in acts]
    return [
        f"{d.patient} {d.problem} {d.level} {d.why} {d.begins} {d.due} {d.latest} {d.until}"
        for bed in life_of(life)
        for d in of_bed(bed, [act for act in done if act.patient == bed.name], conceded)
    ]


def their_dues(life: Arrays, acts: Lines) -> list[str]:
    """Lists the same by the reference judge."""
    done = [dict(line) for line in acts]
    return [
        f"{d.patient} {d.problem} {d.level} {d.why} {d.begins} {d.due} {d.by} {d.until}"
        for k in range(len(life["patients"]))
        for d in reference().owed(dict(life), k, done)[0]
    ]


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True)


def _apart(what: str, mine: Any, other: Any) -> list[str]:  # noqa: ANN401 - any iterable of text
    left, right = sorted(mine), sorted(other)
    only = [f"{what} only ours: {one}" for one in left if one not in right]
    only += [f"{what} only theirs: {one}" for one in right if one not in left]
    return only or ([f"{what}: {len(left)} ours, {len(right)} theirs"] if len(left) != len(right) else [])
