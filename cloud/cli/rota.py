"""`python -m cloud duty rota.csv`: who is on duty, into topic `contacts`."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cloud.cli.csv_reader import Table, moment, number, read
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Writer
from cloud.settings import Kafka
from vitals.alarm_events import Priority
from vitals.bounds import clean, encoded, name
from vitals.contacts import CANARY, NOBODY, Contact, Rota
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics

REQUIRED: Final = frozenset(("ward", "contact", "name", "start", "end"))
OPTIONAL: Final = frozenset(("phone", "email", "priority", "step"))
RESERVED: Final = frozenset((CANARY, NOBODY))
COLUMNS: Final = f"CSV with {', '.join(sorted(REQUIRED))}; it may have {', '.join(sorted(OPTIONAL))}"


def parse(lines: Iterable[str]) -> Table[tuple[str, Contact]]:
    """Reads a rota as (ward, contact) rows."""
    return read(lines, contact_row, required=REQUIRED, optional=OPTIONAL)


def contact_row(cells: Mapping[str, str]) -> tuple[str, Contact]:
    """Reads one row of a rota as ward and contact.

    Raises:
        ValueError: A cell is wrong; the message says which.
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
        priority=Priority[priority],
        step=int(step),
    )
    return name(cells["ward"], "ward"), contact


def rotas(rows: Iterable[tuple[str, Contact]], version: int) -> list[Rota]:
    """Returns one rota per ward; it replaces that ward's former one."""
    wards: dict[str, list[Contact]] = {}
    for ward, contact in rows:
        wards.setdefault(ward, []).append(contact)
    return [Rota(ward=ward, version=version, contacts=tuple(contacts)) for ward, contacts in sorted(wards.items())]


def publish(writer: Writer, duties: Iterable[Rota]) -> None:
    """Writes rotas to `contacts`, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not take them all.
    """
    for duty in duties:
        writer.write((topics.CONTACTS, 0), duty.ward.encode(), encoded(duty))
    writer.flush()


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud duty", description=__doc__)
    parser.add_argument(
        "rota", type=Path, help=f"CSV: {', '.join(sorted(REQUIRED))}; may: {', '.join(sorted(OPTIONAL))}"
    )
    parser.add_argument("--skip-bad", action="store_true", help="load the good rows even when others are bad")
    arguments = parser.parse_args(argv)
    log_json("duty")
    try:
        settings = load(Kafka, environ)
        with arguments.rota.open(encoding="utf-8-sig", newline="") as file:
            table = parse(file)
        sys.stderr.writelines(f"{arguments.rota}: {error}\n" for error in table.errors)
        if table.errors and not arguments.skip_bad:
            sys.stderr.write(f"{arguments.rota}: nothing was loaded; correct it, or use --skip-bad\n")
            return 1
        duties = rotas([row for _, row in table.rows], now_ms())
        publish(KafkaWriter(settings, "duty"), duties)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"duty: {error}\n")
        return 1
    sys.stdout.write(f"{len(table.rows)} duties on {len(duties)} wards\n")
    return 1 if table.errors else 0
