"""`python -m cloud reach`: contacts on duty with a channel that does not reach them."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cloud.duty.house import House
from cloud.duty.records import kind_of
from cloud.kafka.client import KafkaReader
from cloud.kafka.port import KafkaUnavailableError, Reader, Record, read_to_end
from cloud.kafka.settings import Kafka
from vitals.bounds import decoded
from vitals.contact_standing import ContactStanding, addresses, in_words, read_channel_record
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics


def lines(records: Iterable[Record], now: int) -> Iterator[str]:
    """Returns a line for each contact on duty with a channel that is not ready; it has no address.

    Args:
        records: Topics `contacts` and `channels`, in order.
        now: UTC epoch ms.
    """
    house = House()
    standings: dict[str, ContactStanding] = {}
    for record in records:
        if record.value is None:
            continue
        if record.topic == topics.CONTACTS:
            house.take(decoded(record.value, kind_of(record.key)))
        else:
            one = read_channel_record(record.value)
            if isinstance(one, ContactStanding):
                standings[one.contact] = one
    for ward in sorted(house.rotas):
        for contact in house.on_duty(ward, now):
            standing = standings.get(contact.contact)
            if standing is None or standing.of != addresses(contact):
                yield f"{ward}  {contact.contact}: not checked yet"
            elif why := in_words(standing.channels):
                yield f"{ward}  {contact.contact}: {why}{'' if standing.reachable else '  NO CHANNEL'}"


def _read(reader: Reader) -> list[Record]:
    try:
        return read_to_end(reader, {(topics.CONTACTS, 0): 0, (topics.CHANNELS, 0): 0})
    finally:
        reader.close()


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command.

    Returns:
        0 if every channel of every contact on duty is ready, 1 otherwise.
    """
    argparse.ArgumentParser(prog="python -m cloud reach", description=__doc__).parse_args(argv)
    log_json("reach")
    try:
        found = list(lines(_read(KafkaReader(load(Kafka, environ), "reach")), now_ms()))
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"reach: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in found) or "every channel of every contact on duty is ready\n")
    return 1 if found else 0
