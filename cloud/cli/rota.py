"""`python -m cloud duty rota.csv`: loads rotas into topic `contacts`."""

import sys
from collections.abc import Mapping, Sequence

from cloud.admissions.rota_rows import OPTIONAL, REQUIRED, parse, publish, rotas
from cloud.cli import csv_file
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    words = csv_file.arguments(argv, "duty", "rota", __doc__, required=REQUIRED, optional=OPTIONAL)
    log_json("duty")
    try:
        settings = load(Kafka, environ)
        table = csv_file.table(words.file, parse, skip_bad=words.skip_bad)
        if table is None:
            return 1
        duties = rotas([row for _, row in table.rows], now_ms())
        publish(KafkaWriter(settings, "duty"), duties)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"duty: {error}\n")
        return 1
    sys.stdout.write(f"{len(table.rows)} duties on {len(duties)} wards\n")
    return 1 if table.errors else 0
