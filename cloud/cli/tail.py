"""`python -m cloud tail`: prints a topic, one reading or event a line."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from cloud.kafka.client import KafkaReader
from cloud.kafka.port import KafkaUnavailableError, Record
from cloud.settings import Kafka
from vitals.bounds import MAX_CALENDAR, decoded
from vitals.breach_codes import ABSENT, WITHIN, unpack
from vitals.readings import Readings
from vitals.runtime.daemon import log_json, stop_on_signals
from vitals.runtime.settings import SettingsError, load
from vitals.signs import SIGNS
from vitals.wire import topics
from vitals.wire.vitals_record import decode_scored, decode_vitals

NAMES: Final = tuple(topic.name for topic in topics.TOPICS)
MARKS: Final = {1: "!!", 2: "!", 3: "!", 4: "!!"}
"""After a value: beyond a limit, and beyond an extreme one."""


def lines(record: Record, patient: str | None) -> Iterator[str]:
    """Yields what a record tells, a line each.

    Args:
        record: Any record of our topics.
        patient: Only what concerns this patient; None for everything.
    """
    try:
        if record.topic == topics.SCORED:
            scored = decode_scored(record.value or b"")
            breach = unpack(scored.breach, len(SIGNS))
            yield from _readings(scored.readings, breach.tolist(), patient)
        elif record.topic == topics.VITALS:
            yield from _readings(decode_vitals(record.value or b""), None, patient)
        else:
            yield from _event(record, patient)
    except ValueError as error:
        yield f"{record.topic}[{record.partition}]@{record.offset} cannot be read: {error}"


def _readings(readings: Readings, breach: list[list[int]] | None, patient: str | None) -> Iterator[str]:
    for i, (device, boot, seq) in enumerate(readings.identities()):
        if patient is not None and readings.patient[i] != patient:
            continue
        values = []
        for k, sign in enumerate(SIGNS):
            value = readings.values[i, k]
            digit = breach[i][k] if breach else (ABSENT if value != value else WITHIN)  # noqa: PLR0124 - NaN
            if digit != ABSENT:
                values.append(f"{sign.field}={value:.{sign.decimals}f}{MARKS.get(digit, '')}")
        who = f"{readings.ward[i] or '-'} {readings.bed[i] or '-'} {readings.patient[i] or 'unassigned'}"
        yield f"{clock(int(readings.t[i]))} {who} {device}/{boot}/{seq} {' '.join(values)}"


def _event(record: Record, patient: str | None) -> Iterator[str]:
    if record.value is None:
        yield f"{clock(record.t)} {record.topic} {record.key.decode(errors='replace')} deleted"
        return
    event = decoded(record.value, object)
    named = {record.key.decode(errors="replace")}
    if isinstance(event, dict):
        named.add(str(event.get("patient")))
    if patient is None or patient in named:
        yield f"{clock(record.t)} {record.topic} {record.value.decode(errors='replace')}"


def clock(t: int) -> str:
    """Returns a UTC epoch time in ms as text."""
    # A record of before there were bounds may hold any number; a row of it is still shown.
    return datetime.fromtimestamp(max(0, min(t, MAX_CALENDAR)) / 1000, UTC).isoformat(timespec="milliseconds")


def places(topic: str, patient: str | None, settings: Kafka) -> list[tuple[str, int]]:
    """Returns the partitions that can hold what is asked for."""
    by_lane = next(t.by_lane for t in topics.TOPICS if t.name == topic)
    if not by_lane:
        return [(topic, 0)]
    if patient is not None:
        return [(topic, settings.layout.partition(patient))]
    return [(topic, partition) for partition in range(settings.partitions)]


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; it follows the topic until Ctrl-C or `--limit` lines."""
    parser = argparse.ArgumentParser(prog="python -m cloud tail", description=__doc__)
    parser.add_argument("--topic", choices=NAMES, default=topics.SCORED, help="(default: %(default)s)")
    parser.add_argument("--patient", help="only this patient")
    parser.add_argument("--from-beginning", action="store_true", help="all that is kept, not only what comes now")
    parser.add_argument("--limit", type=int, help="stop after this many lines")
    arguments = parser.parse_args(argv)
    log_json("tail")
    stop, printed = stop_on_signals(), 0
    try:
        settings = load(Kafka, environ)
        reader = KafkaReader(settings, "tail")
        wanted = places(arguments.topic, arguments.patient, settings)
        reader.assign(dict.fromkeys(wanted, 0) if arguments.from_beginning else reader.ends(wanted))
        while not stop.is_set():
            for record in reader.read(0.2):
                for line in lines(record, arguments.patient):
                    sys.stdout.write(line + "\n")
                    printed += 1
                    if arguments.limit is not None and printed >= arguments.limit:
                        return 0
            sys.stdout.flush()
    except (SettingsError, KafkaUnavailableError) as error:
        sys.stderr.write(f"tail: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        return 0
    return 0
