"""`python -m cloud duty rota.csv`: loads rotas into topic `contacts`; a row may refer to the directory."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from cloud.admissions.rota_rows import OPTIONAL, REQUIRED, parse
from cloud.cli import csv_file
from cloud.cli.house import load_file, read
from cloud.duty.changes import by_ward, of_rotas
from cloud.duty.records import publish
from cloud.kafka.port import Reader, Writer
from vitals.contacts import Contact, Detail, Messages
from vitals.runtime.daemon import now_ms


def change(
    reader: Reader,
    writer: Writer,
    rows: Sequence[tuple[str, Contact]],
    now: int,
    *,
    whole: bool,
    out: TextIO,
    proof: bool | None = None,
    messages: Messages | None = None,
) -> None:
    """Replaces the rotas of the wards that the rows name, and prints the result.

    Raises:
        DirectoryError: A row changes a contact of another ward, or names an unknown one; nothing is written.
        KafkaUnavailableError: The log cannot be read or written.
    """
    house = read(reader)
    wards = by_ward(rows)
    publish(writer, of_rotas(house, wards, now, whole=whole, proof=proof, messages=messages))
    out.write(f"{len(rows)} duties on {len(wards)} wards\n")
    # The new rota is in force at once, also if it begins next week.
    out.writelines(f"ward {ward}: nobody is on duty now\n" for ward in wards if not house.on_duty(ward, now))


_EMAIL: Final = {"patient": True, "none": False}


def _messages(text: str) -> Messages:
    told, link, email = text.split(",")
    if email not in _EMAIL:
        raise ValueError(email)
    return Messages(text=Detail(told), link=Detail(link), email_patient=_EMAIL[email])


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = csv_file.parser("duty", "rota", __doc__, required=REQUIRED, optional=OPTIONAL)
    parser.add_argument("--house", action="store_true", help="may also change contacts of the house and of other wards")
    parser.add_argument("--proof", choices=("on", "off"), help="a duty begins with a proof (default: unchanged)")
    parser.add_argument(
        "--messages",
        metavar="TEXT,LINK,EMAIL",
        type=_messages,
        help="content of messages and links' pages (minimal, bed or bed-and-sign) and whether an e-mail has the "
        "patient's data (patient or none), such as bed,bed-and-sign,patient (default: unchanged)",
    )
    words = parser.parse_args(argv)
    proof = None if words.proof is None else words.proof == "on"

    def load(reader: Reader, writer: Writer, rows: Sequence[tuple[str, Contact]]) -> None:
        now, out = now_ms(), sys.stdout
        change(reader, writer, rows, now, whole=words.house, out=out, proof=proof, messages=words.messages)

    return load_file("duty", words, environ, parse, load)
