"""`python -m cloud duty rota.csv`: loads rotas into topic `contacts`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloud.admissions.rota_rows import OPTIONAL, REQUIRED, parse, publish, rotas
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


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
