"""Records of topic `contacts`: their keys, and values of their kinds.

A rota has its ward as key, as before version 0.2. The other kinds have a prefix with a slash, which no ward's name has.
"""

from collections.abc import Iterable
from typing import Final

from cloud.kafka.port import Record, Writer
from vitals.bounds import decoded, encoded
from vitals.contacts import Rota
from vitals.duty import Assignments, Person, Proof
from vitals.wire import topics

Duty = Rota | Person | Assignments | Proof
KINDS: Final[dict[bytes, type[Rota | Person | Assignments | Proof]]] = {
    b"contact": Person,
    b"beds": Assignments,
    b"proof": Proof,
}


def kind_of(key: bytes) -> type[Rota | Person | Assignments | Proof]:
    """Returns the kind of a record's value."""
    prefix, slash, _ = key.partition(b"/")
    return KINDS.get(prefix, Rota) if slash else Rota


def key_of(value: Duty) -> bytes:
    """Returns the key of a record."""
    match value:
        case Person():
            return f"contact/{value.contact}".encode()
        case Assignments():
            return f"beds/{value.ward}".encode()
        case Proof():
            return f"proof/{value.contact}".encode()
        case Rota():
            return value.ward.encode()


def contacts_of(value: Duty) -> set[str]:
    """Returns the contacts with an address that a record may change."""
    match value:
        case Rota():
            return {duty.contact for duty in value.contacts}
        case Person():
            return {value.contact}
        case _:
            return set()


def decode(record: Record) -> Duty | None:
    """Decodes a record; None for a tombstone.

    Raises:
        BoundError: The bytes are not of the kind that the key names.
    """
    return None if record.value is None else decoded(record.value, kind_of(record.key))


def publish(writer: Writer, values: Iterable[Duty]) -> None:
    """Writes records to `contacts` in their order, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not acknowledge them all.
        BoundError: A value does not decode to itself; the records before it may be written.
    """
    for value in values:
        writer.write((topics.CONTACTS, 0), key_of(value), encoded(value))
    writer.flush()
