"""`python -m cloud retire NAME`: a gateway or bridge is gone for good; its alarms end, and nobody expects it."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, read_to_end
from cloud.settings import Kafka
from vitals.admissions import Admission
from vitals.bounds import decoded
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.status import Health, Status
from vitals.wire import topics

GONE_MS: Final = 60_000
"""Who has said *up* within so long is running."""
KINDS: Final = frozenset(("gateway", "bridge"))


def refusal(name: str, reader: Reader, settings: Kafka, now: int) -> str | None:
    """Returns why nobody of that name can be retired now; None when somebody can.

    Raises:
        KafkaUnavailableError: The log cannot be read.
        ValueError: A record cannot be read.
    """
    said = [r for r in read_to_end(reader, {(topics.STATUS, 0): 0}) if r.key == name.encode()]
    status = decoded(said[-1].value, Status) if said and said[-1].value is not None else None
    if status is None or status.kind not in KINDS:
        return f"no gateway or bridge {name!r} is known"
    if status.health is Health.UP and now - said[-1].t < GONE_MS:
        return f"{status.kind} {name} is running: stop it first, or it is back at once"
    newest = {}
    for record in read_to_end(reader, dict.fromkeys(settings.layout.places(topics.PATIENTS), 0)):
        newest[record.key] = decoded(record.value, Admission) if record.value is not None else None
    there = sorted(a.patient for a in newest.values() if a and a.gateway == name and a.discharged is None)
    if there:
        return f"{', '.join(there)} are admitted to gateway {name}: move or discharge them first"
    return None


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud retire", description=__doc__)
    parser.add_argument("name", help="gateway or bridge")
    name = parser.parse_args(argv).name
    log_json("retire")
    try:
        settings = load(Kafka, environ)
        partitions.check(settings)
        reader = KafkaReader(settings, "retire")
        try:
            why = refusal(name, reader, settings, now_ms())
        finally:
            reader.close()
        if why is None:
            writer = KafkaWriter(settings, "retire")
            writer.write((topics.STATUS, 0), name.encode(), None)
            writer.flush()
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        why = str(error)
    if why is not None:
        sys.stderr.write(f"retire: {why}\n")
        return 1
    sys.stdout.write(f"retired {name}\n")
    return 0
