"""`python -m cloud skipped`: shows what the alarm tier has passed over, and has it judged again by mended code."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cloud.cli.tail import clock
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Record, Writer, read_to_end
from cloud.settings import Kafka
from vitals.bounds import decoded
from vitals.runtime.daemon import log_json
from vitals.runtime.settings import SettingsError, load
from vitals.skipped import Skipped, Why
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals, encode_vitals


def standing(records: Iterable[Record]) -> list[Skipped]:
    """Returns what was passed over and not replayed since, each once, by time."""
    found: dict[str, Skipped] = {}
    for record in records:
        try:
            one = decoded(record.value or b"", Skipped)
        except ValueError:
            continue
        if one.why is Why.REPLAYED:
            found.pop(one.key, None)
        elif one.why is not Why.SUSPECT:
            # Two slices may pass over one record: a status is the equipment's and a partition's.
            found.setdefault(one.key, one)
    return sorted(found.values(), key=lambda one: (one.t, one.key))


def again(one: Skipped, reader: Reader, everything: Mapping[bytes, int]) -> tuple[Place, bytes, bytes]:
    """Returns what is to be written so that a record is judged as a new one.

    Args:
        one: What was passed over.
        reader: Reads the log.
        everything: Newest offset of each key of its partition; needed of a topic that says how things are now.

    Raises:
        ValueError: It is no longer kept, or a newer record has taken its place.
    """
    place = one.topic, one.partition
    record = _at(reader, place, one.offset)
    if record is None or record.value is None:
        raise ValueError(f"{one.key} is no longer kept")
    if one.topic in {topics.PATIENTS, topics.STATUS} and everything.get(record.key, one.offset) > one.offset:
        raise ValueError(f"{one.key} has been overtaken by a newer record of {record.key.decode(errors='replace')}")
    if one.row is None:
        return place, record.key, record.value
    readings = decode_vitals(record.value)
    if one.row >= len(readings):
        raise ValueError(f"{one.key}: the record has {len(readings)} readings")
    return place, record.key, encode_vitals(readings.alone(one.row))


def _at(reader: Reader, place: Place, offset: int) -> Record | None:
    if reader.ends([place])[place] <= offset:
        return None
    reader.assign({place: offset})
    while reader.position(place) <= offset:
        for record in reader.read(1.0):
            if record.offset >= offset:
                return record if record.offset == offset else None
    return None


def replay(chosen: Iterable[Skipped], reader: Reader, writer: Writer, now: int) -> list[str]:
    """Writes records again, and notes each as replayed.

    Returns:
        One line for each.

    Raises:
        KafkaUnavailableError: Kafka did not take them.
    """
    lines, newest = [], dict[Place, dict[bytes, int]]()
    for one in chosen:
        place = one.topic, one.partition
        if one.topic in {topics.PATIENTS, topics.STATUS} and place not in newest:
            newest[place] = {record.key: record.offset for record in read_to_end(reader, {place: 0})}
        try:
            to, key, value = again(one, reader, newest.get(place, {}))
        except ValueError as error:
            lines.append(f"not replayed: {error}")
            continue
        writer.write(to, key, value)
        done = Skipped(
            topic=one.topic, partition=one.partition, offset=one.offset, row=one.row, why=Why.REPLAYED, t=now
        )
        writer.write((topics.SKIPPED, one.partition), one.key.encode(), msgspec.json.encode(done))
        lines.append(f"replayed: {one.key} {one.subject}".rstrip())
    writer.flush()
    return lines


def line(one: Skipped) -> str:
    """Returns a record as a person reads it."""
    return f"{clock(one.t)}  {one.key}  {one.why.value}  {one.subject or '-'}  {one.reason}"


def parser() -> argparse.ArgumentParser:
    """Returns the command's argument parser."""
    top = argparse.ArgumentParser(prog="python -m cloud skipped", description=__doc__)
    acts = top.add_subparsers(dest="act")
    acts.add_parser("list", help="what stands (the default)")
    sub = acts.add_parser("replay", help="write records again, as new ones")
    sub.add_argument("keys", nargs="*", help="as `list` shows them, e.g. vitals[3]@815#4")
    sub.add_argument("--all", action="store_true", help="everything that stands")
    return top


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    arguments = parser().parse_args(argv)
    log_json("skipped")
    try:
        settings = load(Kafka, environ)
        reader = KafkaReader(settings, "skipped")
        found = standing(read_to_end(reader, dict.fromkeys(settings.layout.places(topics.SKIPPED), 0)))
        if arguments.act != "replay":
            sys.stdout.writelines(f"{line(one)}\n" for one in found)
            sys.stdout.write(f"{len(found)} passed over\n")
            return 0
        chosen = [one for one in found if arguments.all or one.key in arguments.keys]
        unknown = set(arguments.keys) - {one.key for one in found}
        if unknown:
            raise ValueError(f"nothing of this name was passed over: {', '.join(sorted(unknown))}")
        writer = KafkaWriter(settings, "skipped")
        lines = replay(chosen, reader, writer, max((one.t for one in chosen), default=1))
        sys.stdout.writelines(f"{text}\n" for text in lines)
        reader.close()
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"skipped: {error}\n")
        return 1
    return 0
