"""The project's judge: who had to be told of a patient, who was, and what was no reason to (docs/clinical.md).

It measures from patients' true states and from the messages that reached people, and imports nothing of the product.

    python -m tests.truth.judge LIFE.npz MESSAGES.jsonl [ACTS.jsonl] [--json ROWS.json] [--list LINES.jsonl]

`judging/life.py` describes what the files hold. The exit status is 1 where somebody was not told, told late or not
handed over to.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.truth.judging import burden, told
from tests.truth.judging.absent import on_standby
from tests.truth.judging.due import Due
from tests.truth.judging.life import (
    CIRCULATION,
    DAY,
    HIGH,
    LEVELS,
    NOT_MONITORED,
    Act,
    Bed,
    Life,
    Message,
    act_of,
    lines_of,
    message_of,
    read_life,
)
from tests.truth.judging.owed import of_bed
from tests.truth.judging.points import NONE, Conceded
from tests.truth.judging.reasons import Verdict, calling, verdicts
from tests.truth.judging.told import Answer, Mail

PRIORITIES: Final = {level: name for name, level in LEVELS.items()}
MUST_BE_ZERO: Final = ("truth.unpaged", "truth.late", "truth.masked", "truth.not_handed_over")


@dataclass(frozen=True)
class Found:
    """Findings about one patient.

    Attributes:
        bed: The patient.
        dues: What was due.
        answers: How each of it was answered.
        masked: Of what was missed, that during which another problem went on.
        dropped: What was told, went on, and was not handed over.
        verdicts: On each message that needs a reason.
        stable_pages: Pages, where the patient is stable.
        pages: Messages that call, of each deterioration.
        most_in_an_hour: Most messages to one person.
        standby: Milliseconds on standby.
    """

    bed: Bed
    dues: list[Due]
    answers: list[Answer]
    masked: list[Due]
    dropped: list[Answer]
    verdicts: list[Verdict]
    stable_pages: int
    pages: list[int]
    most_in_an_hour: int
    standby: int


@dataclass(frozen=True)
class Judgement:
    """The rows by name, and a line for each thing missed, each false message and each handover that is missing."""

    rows: dict[str, float]
    lines: list[dict[str, Any]] = field(default_factory=list)


def judge_bed(bed: Bed, mail: Mail, acts: Sequence[Act], *, alone: bool, conceded: Conceded = NONE) -> Found:
    """Judges what was told of one patient.

    Args:
        bed: The patient.
        mail: The messages about the patient.
        acts: What people did about the patient.
        alone: Nobody else is on duty, so nothing can be handed over.
        conceded: Points to decide as the reference judge does.
    """
    dues = of_bed(bed, acts, conceded)
    answers = [told.answer(due, mail, conceded) for due in dues]
    return Found(
        bed=bed,
        dues=dues,
        answers=answers,
        masked=[a.due for a in answers if a.missed and told.masked(a.due, dues)],
        dropped=[] if alone else [a for a in answers if told.dropped(a, mail, acts, conceded)],
        verdicts=list(verdicts(bed, dues, mail)),
        stable_pages=burden.pages_of_stable(calling(mail)) if bed.stable else 0,
        pages=burden.pages_per_deterioration(dues, mail),
        most_in_an_hour=burden.most_in_an_hour(mail),
        standby=int(on_standby(bed, acts).sum()) * bed.cadence,
    )


def judge(life: Life, messages: Sequence[Message], acts: Sequence[Act], conceded: Conceded = NONE) -> Judgement:
    """Judges a life.

    Args:
        life: The patients.
        messages: One for each message to one person.
        acts: What people did.
        conceded: Points to decide as the reference judge does.
    """
    found = []
    for bed in life:
        mail, mine = Mail(bed.name, messages), [act for act in acts if act.patient == bed.name]
        found.append(judge_bed(bed, mail, mine, alone=life.alone, conceded=conceded))
    rows = {
        **_rows_of_dues(found),
        **_rows_of_reasons(found, life.patient_days),
        **_rows_of_burden(found, messages, life.patient_days),
        **_details(found),
    }
    return Judgement(rows, [line for one in found for line in _lines(one)])


def _rows_of_dues(found: Sequence[Found]) -> dict[str, float]:
    answers = [answer for one in found for answer in one.answers]
    how = Counter(answer.how for answer in answers)
    missed = [answer.due for answer in answers if answer.missed]
    return {
        "truth.due": len(answers),
        "truth.unpaged": how["unpaged"],
        "truth.late": how["late"],
        "truth.masked": sum(len(one.masked) for one in found),
        "truth.joined": how["joined"],
        "truth.not_handed_over": sum(len(one.dropped) for one in found),
        "truth.worse_untold": sum(due.why == "worse" for due in missed),
        "truth.recurrence_untold": sum(due.why == "recurs" for due in missed),
        "truth.arrest_untold": sum(due.problem == CIRCULATION for due in missed),
        "truth.not_monitored_untold": sum(due.problem == NOT_MONITORED for due in missed),
    }


def _rows_of_reasons(found: Sequence[Found], days: float) -> dict[str, float]:
    said = [verdict for one in found for verdict in one.verdicts]
    counts = {
        "false": sum(v.false for v in said),
        "false_high": sum(v.false and v.message.level == HIGH for v in said),
        "false_by_variation": sum(v.varied for v in said),
        "overstated": sum(v.overstates for v in said),
        "misnamed": sum(v.misnames for v in said),
    }
    return {f"truth.{name}_per_patient_day": round(count / days, 3) for name, count in counts.items()}


def _rows_of_burden(found: Sequence[Found], messages: Sequence[Message], days: float) -> dict[str, float]:
    most = burden.most_told(messages)
    pages = [count for one in found for count in one.pages]
    stable = [one for one in found if one.bed.stable]
    stable_days = sum(len(one.bed.t) * one.bed.cadence for one in stable) / DAY
    technical = sum(m.kind == "technical" for m in most)
    return {
        "truth.standby_share": round(sum(one.standby for one in found) / DAY / days, 3),
        "truth.stable_pages_per_patient_day": round(sum(one.stable_pages for one in stable) / (stable_days or 1), 3),
        "truth.messages_per_patient_day": round(len(most) / days, 3),
        "truth.messages_to_all_per_patient_day": round(len(messages) / days, 3),
        "truth.technical_per_patient_day": round(technical / days, 3),
        "truth.pages_per_deterioration_median": float(np.median(pages)) if pages else 0.0,
        "truth.pages_per_deterioration_p90": float(np.percentile(pages, 90)) if pages else 0.0,
        "truth.most_in_an_hour_of_one_patient": max(one.most_in_an_hour for one in found),
    }


def _details(found: Sequence[Found]) -> dict[str, float]:
    missed = Counter(f"detail.{a.how}.{a.due.why}.{a.due.problem}" for one in found for a in one.answers if a.missed)
    return dict(sorted(missed.items()))


def _lines(one: Found) -> list[dict[str, Any]]:
    missed = [
        {"what": a.how, **_line(a), "why": a.due.why, "begins": a.due.begins, "due": a.due.due}
        for a in one.answers
        if a.missed
    ]
    false = [
        {
            "false": sorted(v.message.names),
            "patient": one.bed.name,
            "t": v.message.t,
            "priority": PRIORITIES[v.message.level],
            "variation": v.varied,
        }
        for v in one.verdicts
        if v.false
    ]
    return [*missed, *false, *({"what": "not handed over", **_line(a)} for a in one.dropped)]


def _line(a: Answer) -> dict[str, Any]:
    return {"patient": a.due.patient, "problem": a.due.problem, "level": a.due.level, "told": a.told}


def main(arguments: Sequence[str]) -> int:
    """Judges the files that are named and prints the rows; returns the exit status."""
    parser = argparse.ArgumentParser(description="Judges who had to be told of a patient, and who was.")
    parser.add_argument("life", type=Path)
    parser.add_argument("messages", type=Path)
    parser.add_argument("acts", type=Path, nargs="?")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--list", type=Path, help="write what was missed, false or not handed over here, a line each")
    given = parser.parse_args(arguments)
    try:
        life = read_life(given.life)
        messages = [message_of(line) for line in lines_of(given.messages)]
        acts = [act_of(line) for line in lines_of(given.acts)] if given.acts else []
    except (ValueError, KeyError) as error:
        parser.error(str(error))
    result = judge(life, messages, acts)
    for name, value in result.rows.items():
        sys.stdout.write(f"{name:56}{value}\n")
    if given.json:
        given.json.write_text(json.dumps(result.rows, indent=1) + "\n", encoding="utf-8")
    if given.list:
        given.list.write_text("".join(json.dumps(line) + "\n" for line in result.lines), encoding="utf-8")
    return int(any(result.rows[name] for name in MUST_BE_ZERO))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
