"""`python -m cloud admit roster.csv`: admissions into topic `patients`."""

import sys
from collections.abc import Mapping, Sequence

from cloud.admissions.admission_rows import OPTIONAL, REQUIRED, parse, publish
from cloud.cli import csv_file
from cloud.kafka import partitions
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    words = csv_file.parser("admit", "roster", __doc__, required=REQUIRED, optional=OPTIONAL).parse_args(argv)
    log_json("admit")
    try:
        settings = load(Kafka, environ)
        table = csv_file.table(words.file, lambda lines: parse(lines, now_ms()), skip_bad=words.skip_bad)
        if table is None:
            return 1
        partitions.check(settings)
        publish(KafkaWriter(settings, "admit"), [admission for _, admission in table.rows], settings)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"admit: {error}\n")
        return 1
    sys.stdout.write(f"admitted {len(table.rows)} patients\n")
    return 1 if table.errors else 0
