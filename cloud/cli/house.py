"""Present state of topic `contacts`, for commands."""

from cloud.duty.house import House
from cloud.duty.records import decode
from cloud.kafka.port import Reader, read_to_end
from vitals.bounds import BoundError
from vitals.wire import topics


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
