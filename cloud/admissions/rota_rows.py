"""Rotas: rows of a file or of the ward page to checked values, and those to topic `contacts`."""

from collections.abc import Iterable, Mapping
from typing import Final

from cloud.admissions.csv_reader import Table, moment, number, read
from cloud.kafka.port import Writer
from vitals.alarm_events import Priority
from vitals.bounds import clean, encoded, name
from vitals.contacts import CANARY, NOBODY, Contact, Rota
from vitals.wire import topics

REQUIRED: Final = frozenset(("ward", "contact", "name", "start", "end"))
OPTIONAL: Final = frozenset(("phone", "email", "priority", "step", "push", "webhook"))
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
    email = cells.get("email") or None
    if email is not None and not (email.count("@") == 1 and all(email.split("@")) and " " not in email):
        raise ValueError(f"email {email!r} is no e-mail address")
    step = number(cells, "step", 0)
    if step != int(step) or not 0 <= step <= 9:  # noqa: PLR2004 - ten people in a row is no handover any more
        raise ValueError(f"step {step} is not a whole number from 0 to 9")
    if cells["contact"] in RESERVED:
        raise ValueError(f"contact id {cells['contact']!r} is Wardwatch's own: nobody is told under it")
    contact = Contact(
        contact=cells["contact"],
        name=clean(cells["name"]),
        start=moment(cells, "start"),
        end=moment(cells, "end"),
        phone=(cells.get("phone") or "").replace(" ", "") or None,
        email=email,
        push=_flag(cells, "push"),
        webhook=cells.get("webhook") or None,
        priority=Priority[priority],
        step=int(step),
    )
    return name(cells["ward"], "ward"), contact


def _flag(cells: Mapping[str, str], column: str) -> bool:
    word = cells.get(column) or "0"
    if word not in {"0", "1"}:
        raise ValueError(f"{column} {word!r} is neither 0 nor 1")
    return word == "1"


def rotas(rows: Iterable[tuple[str, Contact]], version: int) -> list[Rota]:
    """Returns one rota per ward; it replaces the ward's earlier one."""
    wards: dict[str, list[Contact]] = {}
    for ward, contact in rows:
        wards.setdefault(ward, []).append(contact)
    return [Rota(ward=ward, version=version, contacts=tuple(contacts)) for ward, contacts in sorted(wards.items())]


def publish(writer: Writer, duties: Iterable[Rota]) -> None:
    """Writes rotas to `contacts`, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not acknowledge them all.
    """
    for duty in duties:
        writer.write((topics.CONTACTS, 0), duty.ward.encode(), encoded(duty))
    writer.flush()
