"""Messages between gateway and bridge: batches up, confirmations down.

A batch is JSON, `{"gateway", "outbox", "n", "readings": {columns}}`, compressed by zlib with a dictionary that both
sides have. Its identity is `(gateway, outbox, n)`. `outbox` is a random number of each new outbox database, so that a
new SD card is a new sequence.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from vitals.bounds import MAX_BATCH, MAX_ID, MAX_MESSAGE, MAX_RANGES, BatchNumber, Name, shown
from vitals.readings import Readings
from vitals.wire.vitals_record import MAX_READINGS, WireError, batch_columns, from_columns, to_columns

MAX_PAYLOAD_BYTES: Final = MAX_MESSAGE
MAX_JSON_BYTES: Final = 2 * 1024 * 1024
"""More than 1000 readings need; decompression stops here, against zip bombs."""
DICTIONARY: Final = (
    b',"boot":[1,"seq":[100,"t":[17638128000,"t_gw":[17638128000,"roster":[17638128000],"suspect":[0,0,0,0,0,0,0,0],'
    b'"limits":[0,0,0,0,0,0,0,0],"hr":[72,80,"pr":[72,80,"rr":[16,14,"spo2":[97,96,98,"temp":[36.8,37.1,36.9,"sbp":[118,'
    b'120,"dbp":[76,78,"map":[90,92,null,null,null,null]}}{"gateway":"gw-","outbox":"","n":1,"readings":{"patient":["P-",'
    b'"device":["mon-","ward":["","","","bed":["'
)
"""The text that all batches have in common: a batch of ten readings would be a third larger without it. As part of the
contract it never changes; a sender need not use it."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings of one gateway, with a number of its outbox.

    Attributes:
        gateway: Gateway id.
        outbox: Random id of the outbox database.
        n: Number of the batch within that outbox, from 1.
        readings: At most `MAX_READINGS`.
    """

    gateway: str
    outbox: str
    n: int
    readings: Readings

    def __post_init__(self) -> None:
        if not (0 < len(self.gateway) <= MAX_ID and 0 < len(self.outbox) <= MAX_ID):
            raise ValueError(f"gateway and outbox must be 1 to {MAX_ID} characters")
        if not 1 <= self.n <= MAX_BATCH:
            raise ValueError(f"batches are numbered from 1 to {MAX_BATCH}, not {shown(self.n)}")
        if len(self.readings) > MAX_READINGS:
            raise ValueError(f"a batch of {len(self.readings)} readings is over {MAX_READINGS}")


_Wire = msgspec.defstruct("_Wire", [("gateway", str), ("outbox", str), ("n", int), ("readings", batch_columns)])
_decoder = msgspec.json.Decoder(_Wire)
_encoder = msgspec.json.Encoder()


def encode(batch: Batch) -> bytes:
    """Returns the MQTT payload of a batch."""
    columns = to_columns(batch.readings)
    # All readings of a batch are of one gateway, so only the head names it.
    del columns["gateway"]
    head = {"gateway": batch.gateway, "outbox": batch.outbox, "n": batch.n}
    deflater = zlib.compressobj(level=6, zdict=DICTIONARY)
    return deflater.compress(_encoder.encode(head | {"readings": columns})) + deflater.flush()


def inflater() -> Any:  # noqa: ANN401 - zlib does not name the type
    """Returns a decompressor of one payload, with or without the dictionary: zlib's `decompressobj`."""
    return zlib.decompressobj(zdict=DICTIONARY)


def decode(payload: bytes) -> Batch:
    """Decodes a batch, with bounds on size, compression, lengths and types.

    Raises:
        WireError: The payload is no batch; the message has the reason.
    """
    json = _plain(payload)
    try:
        wire: Any = _decoder.decode(json)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a batch: {error}") from error
    wire.readings.gateway = [wire.gateway] * len(wire.readings.t)
    try:
        return Batch(wire.gateway, wire.outbox, wire.n, from_columns(wire.readings))
    except WireError:
        raise
    except ValueError as error:
        raise WireError(f"not a batch: {error}") from error


class Head(msgspec.Struct, frozen=True):
    """Identity of a batch: gateway, outbox, number."""

    gateway: Name
    outbox: Name
    n: BatchNumber


_head_decoder = msgspec.json.Decoder(Head)


def head(payload: bytes) -> Head:
    """Decodes the identity of a batch; its readings are decompressed and not decoded.

    Raises:
        WireError: The payload is no batch; the message has the reason.
    """
    try:
        return _head_decoder.decode(_plain(payload))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a batch: {error}") from error


def _plain(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"batch of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}")
    stream = inflater()
    try:
        plain: bytes = stream.decompress(payload, MAX_JSON_BYTES)
    except zlib.error as error:
        raise WireError(f"batch does not decompress: {error}") from error
    if not stream.eof:
        raise WireError(f"batch is cut short or over {MAX_JSON_BYTES} bytes of JSON")
    return plain


class BatchAck(msgspec.Struct, frozen=True):
    """Confirmation of the batches of one outbox that Kafka holds; a gateway deletes only these.

    Attributes:
        outbox: Id of the outbox.
        ranges: First and last number of each run of batches, both included.
    """

    outbox: Name
    ranges: Annotated[tuple[tuple[BatchNumber, BatchNumber], ...], Meta(max_length=MAX_RANGES)]


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Returns the runs of consecutive numbers, ascending."""
    runs: list[tuple[int, int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], n)
        else:
            runs.append((n, n))
    return tuple(runs)
