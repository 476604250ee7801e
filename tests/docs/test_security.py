"""The map of personal data names every field, and what it says of them is so."""

import re
from pathlib import Path

import msgspec
import pytest

from edge.settings import Settings
from vitals.admissions import Admission, DeviceAssignment
from vitals.contacts import Contact
from vitals.duty import Person
from vitals.wire import topics

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
ROWS = {row.split("|")[1].strip(" `"): row for row in TEXT.splitlines() if row.startswith("| ")}


@pytest.mark.parametrize("kind", [Admission, Contact, Person])
def test_every_field_of_a_person_is_in_the_map(kind: type[msgspec.Struct]) -> None:
    fields = {f"{kind.__name__}.{field.name}" for field in msgspec.structs.fields(kind)}
    assert fields == {name for name in ROWS if name.startswith(f"{kind.__name__}.")}


def test_a_field_that_a_gateway_is_told_is_said_to_be_there_and_no_other() -> None:
    told = {field.name for field in msgspec.structs.fields(DeviceAssignment)}
    for field in msgspec.structs.fields(Admission):
        where = ROWS[f"Admission.{field.name}"].split("|")[2]
        # The roster as a whole is the gateway's; a placement names one device of `devices`.
        expected = field.name in told | {"gateway", "devices", "version"}
        assert ("gateway" in where or "everywhere" in where) is expected, field.name


def test_nobodys_name_birth_phone_or_address_is_told_to_a_gateway() -> None:
    assert not {"name", "born", "phone", "address"} & {field.name for field in msgspec.structs.fields(DeviceAssignment)}


def test_the_ages_in_the_map_are_the_topics() -> None:
    days = {topic.name: topic.keep_ms // topics.DAY_MS for topic in topics.TOPICS if topic.keep_ms}
    assert ROWS["readings"].count("7 days") == 2
    assert (
        days[topics.VITALS]
        == days[topics.SCORED]
        == Settings.__dataclass_fields__["outbox_max_age_s"].default / 86_400
        == 7
    )
    for row, name in (
        ("alarms", topics.ALARMS),
        ("actions", topics.ACTIONS),
        ("dead letters", topics.REJECTED),
    ):
        assert f"{days[name]} days" in ROWS[row], row
    assert days[topics.NOTIFICATIONS] == 30


def test_every_test_that_it_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) >= 6
    for file, name in named:
        assert f"def {name}(" in (DOCUMENT.parents[1] / file).read_text(encoding="utf-8"), (file, name)
