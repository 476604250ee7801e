"""`python -m cloud contacts [people.csv]`: enters contacts in the house's directory, or removes a former one."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cloud.admissions.csv_reader import Table
from cloud.admissions.csv_reader import read as read_table
from cloud.admissions.rota_rows import RESERVED, email_of, flag_of, phone_of
from cloud.cli import csv_file
from cloud.cli.house import read
from cloud.duty.directory import gone
from cloud.duty.records import publish
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, Writer
from cloud.kafka.settings import Kafka
from vitals.bounds import clean, name
from vitals.duty import Person
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load

REQUIRED: Final = frozenset(("contact", "name"))
OPTIONAL: Final = frozenset(("phone", "email", "push", "webhook", "ward"))


def parse(lines: Iterable[str], now: int) -> Table[Person]:
    """Parses rows of the directory, of version `now`, UTC epoch ms."""
    return read_table(lines, lambda cells: person_row(cells, now), required=REQUIRED, optional=OPTIONAL)


def person_row(cells: Mapping[str, str], now: int) -> Person:
    """Parses one row.

    Raises:
        ValueError: A cell is invalid.
    """
    if cells["contact"] in RESERVED:
        raise ValueError(f"contact id {cells['contact']!r} is reserved")
    ward = cells.get("ward") or ""
    return Person(
        contact=cells["contact"],
        version=now,
        name=clean(cells["name"]),
        phone=phone_of(cells),
        email=email_of(cells),
        push=flag_of(cells, "push"),
        webhook=cells.get("webhook") or None,
        ward=name(ward, "ward") if ward else "",
    )


def remove(reader: Reader, writer: Writer, contact: str, now: int) -> set[str]:
    """Removes a contact from the house; returns the wards with the contact on their rotas.

    Raises:
        DirectoryError: There is no such contact.
        KafkaUnavailableError: The log cannot be read or written.
    """
    house = read(reader)
    publish(writer, [gone(house, contact, now)])
    return house.wards_of(contact)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud contacts", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    columns = f"CSV: {', '.join(sorted(REQUIRED))}; may: {', '.join(sorted(OPTIONAL))}"
    what.add_argument("file", metavar="people", type=Path, nargs="?", help=columns)
    what.add_argument("--leave", metavar="CONTACT", help="this contact leaves the house and is unsubscribed")
    words = parser.parse_args(argv)
    log_json("contacts")
    try:
        settings = load(Kafka, environ)
        now = now_ms()
        if words.leave:
            reader = KafkaReader(settings, "contacts", group="contacts")
            try:
                wards = remove(reader, KafkaWriter(settings, "contacts"), words.leave, now)
            finally:
                reader.close()
            where = f"; on the rota of {', '.join(sorted(wards))}" if wards else ""
            sys.stdout.write(f"{words.leave} has left{where}\n")
            return 0
        table = csv_file.table(words.file, lambda lines: parse(lines, now), skip_bad=False)
        if table is None:
            return 1
        publish(KafkaWriter(settings, "contacts"), [person for _, person in table.rows])
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"contacts: {error}\n")
        return 1
    sys.stdout.write(f"{len(table.rows)} contacts\n")
    return 0
