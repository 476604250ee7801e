"""Rotas: rows of a file or of the ward page to checked values."""

from collections.abc import Iterable, Mapping
from typing import Final

from cloud.admissions.csv_reader import Table, moment, number, read
from vitals.alarm_events import Priority
from vitals.bounds import clean, name
from vitals.contacts import CANARY, NOBODY, Contact, DutyRole

REQUIRED: Final = frozenset(("ward", "contact", "start", "end"))
OPTIONAL: Final = frozenset(("name", "phone", "email", "priority", "step", "role", "push", "webhook"))
RESERVED: Final = frozenset((CANARY, NOBODY))
COLUMNS: Final = f"CSV with {', '.join(sorted(REQUIRED))}; it may have {', '.join(sorted(OPTIONAL))}"


def parse(lines: Iterable[str]) -> Table[tuple[str, Contact]]:
    """Parses a rota as (ward, contact) rows."""
    return read(lines, contact_row, required=REQUIRED, optional=OPTIONAL)


def contact_row(cells: Mapping[str, str]) -> tuple[str, Contact]:
    """Parses one row of a rota as ward and contact.

    Raises:
        ValueError: A cell is invalid; the message contains its column.
    """
    priority = (cells.get("priority") or "low").upper()
    if priority not in Priority.__members__:
        raise ValueError(f"priority {priority.lower()!r} is none of low, medium, high")
    step = number(cells, "step", 0)
    if step != int(step) or not 0 <= step <= 9:  # noqa: PLR2004 - ten people in a row is no handover any more
        raise ValueError(f"step {step} is not a whole number from 0 to 9")
    if cells["contact"] in RESERVED:
        raise ValueError(f"contact id {cells['contact']!r} is Wardwatch's own")
    role = cells.get("role") or ""
    if role not in tuple(DutyRole):
        raise ValueError(f"role {role!r} is none of {', '.join(each for each in DutyRole if each)}, or empty")
    contact = Contact(
        contact=cells["contact"],
        name=clean(cells.get("name") or ""),
        start=moment(cells, "start"),
        end=moment(cells, "end"),
        phone=phone_of(cells),
        email=email_of(cells),
        push=flag_of(cells, "push"),
        webhook=cells.get("webhook") or None,
        priority=Priority[priority],
        step=int(step),
        role=DutyRole(role),
    )
    return name(cells["ward"], "ward"), contact


def phone_of(cells: Mapping[str, str]) -> str | None:
    """Returns the phone number of a row without spaces, None for none."""
    return (cells.get("phone") or "").replace(" ", "") or None


def flag_of(cells: Mapping[str, str], column: str) -> bool:
    """Returns a cell with 1 or 0 as bool; an empty one is 0.

    Raises:
        ValueError: It is neither.
    """
    word = cells.get(column) or "0"
    if word not in {"0", "1"}:
        raise ValueError(f"{column} {word!r} is neither 0 nor 1")
    return word == "1"


def email_of(cells: Mapping[str, str]) -> str | None:
    """Returns the e-mail address of a row, None for none.

    Raises:
        ValueError: It is none.
    """
    email = cells.get("email") or None
    if email is not None and not (email.count("@") == 1 and all(email.split("@")) and " " not in email):
        raise ValueError(f"email {email!r} is no e-mail address")
    return email
