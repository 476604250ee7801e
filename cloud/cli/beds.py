"""`python -m cloud beds beds.csv`: assigns beds to a nurse and a buddy."""

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from cloud.admissions.bed_rows import OPTIONAL, REQUIRED, parse
from cloud.cli import csv_file
from cloud.cli.house import load_file, read
from cloud.duty.assigning import assign
from cloud.duty.records import publish
from cloud.kafka.port import Reader, Writer
from vitals.duty import BedDuty
from vitals.runtime.daemon import now_ms


def change(reader: Reader, writer: Writer, rows: Sequence[tuple[str, BedDuty]], now: int, out: TextIO) -> None:
    """Adds assignments, and prints the result.

    Raises:
        AssignmentError: A contact is not on the ward's rota; nothing is written.
        KafkaUnavailableError: The log cannot be read or written.
    """
    house = read(reader)
    wards = sorted({ward for ward, _ in rows})
    publish(writer, [assign(house, ward, (duty for where, duty in rows if where == ward), now) for ward in wards])
    out.write(f"{len(rows)} assignments on {len(wards)} wards\n")


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    words = csv_file.parser("beds", "beds", __doc__, required=REQUIRED, optional=OPTIONAL).parse_args(argv)
    return load_file(
        "beds", words, environ, parse, lambda reader, writer, rows: change(reader, writer, rows, now_ms(), sys.stdout)
    )
