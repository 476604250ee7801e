"""`python -m cloud beds beds.csv`: assigns beds to a nurse and a buddy."""

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from cloud.admissions.bed_rows import OPTIONAL, REQUIRED, parse
from cloud.cli import csv_file
from cloud.cli.house import read
from cloud.duty.assigning import assign
from cloud.duty.records import publish
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, Writer
from cloud.kafka.settings import Kafka
from vitals.duty import BedDuty
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


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
    log_json("beds")
    try:
        settings = load(Kafka, environ)
        table = csv_file.table(words.file, parse, skip_bad=words.skip_bad)
        if table is None:
            return 1
        reader = KafkaReader(settings, "beds", group="beds")
        try:
            change(reader, KafkaWriter(settings, "beds"), [row for _, row in table.rows], now_ms(), sys.stdout)
        finally:
            reader.close()
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"beds: {error}\n")
        return 1
    return 1 if table.errors else 0
