"""Present state of topic `contacts`, for commands."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from cloud.admissions.csv_reader import Table
from cloud.cli import csv_file
from cloud.duty.house import House
from cloud.duty.records import decode
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, Writer, read_to_end
from cloud.kafka.settings import Kafka
from vitals.bounds import BoundError
from vitals.runtime.daemon import log_json
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics

T = TypeVar("T")


def read(reader: Reader) -> House:
    """Reads topic `contacts`; a record that no part can read is ignored, as the notifier rejects it.

    Raises:
        KafkaUnavailableError: It cannot be read.
    """
    house = House()
    for record in read_to_end(reader, {(topics.CONTACTS, 0): 0}):
        try:
            value = decode(record)
        except BoundError:
            continue
        if value is not None:
            house.take(value)
    return house


def load_file(
    command: str,
    words: argparse.Namespace,
    environ: Mapping[str, str],
    parse: Callable[[Iterable[str]], Table[T]],
    change: Callable[[Reader, Writer, list[T]], None],
) -> int:
    """Changes topic `contacts` by the rows of a file; returns the exit status.

    Args:
        command: Name of the command.
        words: Its arguments, of `csv_file.parser`.
        environ: Environment with the settings of Kafka.
        parse: Parses the file.
        change: Applies the good rows, and prints the result.
    """
    log_json(command)
    try:
        settings = load(Kafka, environ)
        table = csv_file.table(words.file, parse, skip_bad=words.skip_bad)
        if table is None:
            return 1
        reader = KafkaReader(settings, command, group=command)
        try:
            change(reader, KafkaWriter(settings, command), [row for _, row in table.rows])
        finally:
            reader.close()
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"{command}: {error}\n")
        return 1
    return 1 if table.errors else 0
