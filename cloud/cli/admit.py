"""`python -m cloud admit roster.csv`: admissions into topic `patients`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloud.admissions.admission_rows import OPTIONAL, REQUIRED, parse, publish
from cloud.kafka import partitions
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud admit", description=__doc__)
    parser.add_argument(
        "roster", type=Path, help=f"CSV: {', '.join(sorted(REQUIRED))}; may: {', '.join(sorted(OPTIONAL))}"
    )
    parser.add_argument("--skip-bad", action="store_true", help="load the good rows even when others are bad")
    arguments = parser.parse_args(argv)
    log_json("admit")
    try:
        settings = load(Kafka, environ)
        with arguments.roster.open(encoding="utf-8-sig", newline="") as file:
            table = parse(file, now_ms())
        sys.stderr.writelines(f"{arguments.roster}: {error}\n" for error in table.errors)
        if table.errors and not arguments.skip_bad:
            sys.stderr.write(f"{arguments.roster}: nothing was loaded; correct it, or use --skip-bad\n")
            return 1
        partitions.check(settings)
        publish(KafkaWriter(settings, "admit"), [admission for _, admission in table.rows], settings)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"admit: {error}\n")
        return 1
    sys.stdout.write(f"admitted {len(table.rows)} patients\n")
    return 1 if table.errors else 0
