"""Rotas, and what a person does."""

from datetime import UTC, datetime

import pytest

from cloud.admissions import rota_rows
from cloud.cli import act, sample_data
from cloud.duty import changes
from cloud.duty.house import House
from vitals.alarm_events import Priority
from vitals.contacts import Rota

HEADER = "ward,contact,name,start,end,phone,email,priority,step\n"
GOOD = "icu,nurse,Bela Holt,2026-11-22T07:00:00+00:00,2026-11-22T19:00:00+00:00,+441632960001,n@example.org,high,1\n"


def test_a_row_becomes_a_contact_with_its_hours_priority_and_step() -> None:
    ((_, (ward, contact)),) = rota_rows.parse([HEADER, GOOD]).rows
    assert ward == "icu"
    assert (contact.priority, contact.step) == (Priority.HIGH, 1)
    assert contact.end - contact.start == 12 * 3_600_000


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("+441632960001", "01632960001"), "is not in E.164 form"),
        (("n@example.org", "example.org"), "is no e-mail address"),
        (("19:00:00+00:00", "06:00:00+00:00"), "duty ends before it begins"),
        (("07:00:00+00:00", "07:00:00"), "has no offset"),
        ((",high,", ",urgent,"), "priority 'urgent' is none of low, medium, high"),
        ((",1\n", ",1.5\n"), "is not a whole number from 0 to 9"),
        (("icu,nurse", "icu,night nurse"), "must be letters, digits, - and _"),
    ],
)
def test_a_bad_row_is_told_with_its_line(change: tuple[str, str], complaint: str) -> None:
    table = rota_rows.parse([HEADER, GOOD, GOOD.replace(*change)])
    assert len(table.rows) == 1
    assert len(table.errors) == 1
    assert table.errors[0].startswith("line 3: ")
    assert complaint in table.errors[0]


def test_a_file_gives_one_rota_per_ward() -> None:
    table = rota_rows.parse([HEADER, GOOD, GOOD.replace("nurse", "doctor"), GOOD.replace("icu,nurse", "med,medic")])
    records = changes.of_rotas(House(), changes.by_ward(row for _, row in table.rows), version=5)
    rotas = [r for r in records if isinstance(r, Rota)]
    assert [(r.ward, r.version, len(r.contacts)) for r in rotas] == [("icu", 5, 2), ("med", 5, 1)]


def test_the_sample_rota_is_valid_and_has_somebody_for_equipment() -> None:
    rows = sample_data.rota(["icu"], 1, datetime(2026, 11, 22, tzinfo=UTC))
    lines = [",".join(rows[0]) + "\n", *(",".join(row.values()) + "\n" for row in rows)]
    table = rota_rows.parse(lines)
    assert not table.errors
    assert {ward for _, (ward, _) in table.rows} == {"icu", "technical"}


def test_acknowledging_takes_the_patient_from_the_alarms_id() -> None:
    arguments = act.parser().parse_args(["acknowledge", "--by", "B. Holt", "--alarm", "p.1.spo2.1763812800000"])
    made = act.action(arguments, now=7)
    assert (made.patient, made.alarm, made.t) == ("p.1", "p.1.spo2.1763812800000", 7)


def test_a_standby_names_patient_bed_and_length() -> None:
    words = ["standby", "--by", "ann", "--patient", "p-1", "--bed", "icu-1", "--minutes", "45"]
    made = act.action(act.parser().parse_args(words), now=7)
    assert (made.act.value, made.patient, made.bed, made.pause_s) == ("standby", "p-1", "icu-1", 2700)
    words = ["standby-end", "--by", "ann", "--patient", "p-1", "--bed", "icu-1"]
    assert act.action(act.parser().parse_args(words), now=7).bed == "icu-1"


@pytest.mark.parametrize(
    "words",
    [
        ["standby", "--by", "x", "--patient", "p-1", "--bed", "b", "--minutes", "61"],
        ["standby", "--by", "x", "--bed", "b"],
        ["chart", "--by", "x", "--patient", "p-1"],
        ["chart", "--by", "x", "--oxygen", "yes"],
        ["audio-pause", "--by", "x", "--alarm", "p-1.hr.1", "--seconds", "9999"],
    ],
)
def test_an_action_that_says_nothing_or_too_much_is_refused(words: list[str]) -> None:
    arguments = act.parser().parse_args(words)
    with pytest.raises(ValueError, match=r"."):
        act.action(arguments, now=7)
