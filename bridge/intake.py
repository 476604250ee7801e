"""What arrives from gateways: topics and payloads, any bytes whatever, into readings and refusals. Pure.

Nothing here raises on bad input: bad input is an outcome with a reason (`Refusal`), and the rest of its batch goes on.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from vitals import batches, topics
from vitals.readings import MAX_TEXT, Readings, empty, problems
from vitals.records import WireError, encode_vitals
from vitals.status import Status

MAX_NUMBER: Final = 2**63 - 1
"""The largest number a gateway's database can hold."""
TOPIC_LEVELS: Final = 4


class Why(StrEnum):
    """Kinds of refusal, few enough for a metric's label; the record itself carries the full reason."""

    TOPIC = "topic"
    UNDECODABLE = "undecodable"
    WRONG_NAME = "wrong-name"
    READING = "reading"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message came from: a gateway's own topic."""

    gateway: str
    name: str
    slot: int


@dataclass(frozen=True, slots=True)
class Number:
    """What names a batch: `confirmed` tells it to its gateway."""

    outbox: str
    n: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What cannot be used, and why.

    Attributes:
        why: Kind.
        reason: For a person.
        payload: The bytes.
        readings: How many readings are refused; 0 when that is unknown.
    """

    why: Why
    reason: str
    payload: bytes
    readings: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A message, read.

    Attributes:
        number: What to confirm; None when it could not be read, so that nothing is confirmed.
        readings: What is usable.
        refusals: What is not.
    """

    number: Number | None
    readings: Readings
    refusals: tuple[Refusal, ...] = ()


def source(topic: str) -> Source | None:
    """Returns whose topic it is; None when it is no gateway's, or in a slot that is not that gateway's."""
    levels = topic.split("/")
    if len(levels) != TOPIC_LEVELS or not 0 < len(levels[2]) <= MAX_TEXT:
        return None
    _, _, gateway, name = levels
    if topics.gateway_topic(gateway, name) != topic:
        return None
    return Source(gateway, name, topics.slot(gateway))


def take(gateway: str, payload: bytes) -> Taken:
    """Reads a batch that arrived on the topic of `gateway`."""
    try:
        batch = batches.decode(payload)
    except WireError as error:
        return Taken(head(payload), empty(), (Refusal(Why.UNDECODABLE, str(error), payload),))
    if batch.n > MAX_NUMBER:
        return Taken(None, empty(), (Refusal(Why.UNDECODABLE, f"batch number {batch.n} is too large", payload),))
    number = Number(batch.outbox, batch.n)
    if batch.gateway != gateway:
        reason = f"batch says it is of gateway {batch.gateway}, but came on the topic of {gateway}"
        return Taken(number, empty(), (Refusal(Why.WRONG_NAME, reason, payload, len(batch.readings)),))
    bad = problems(batch.readings)
    if not bad:
        return Taken(number, batch.readings)
    keep = np.ones(len(batch.readings), dtype=np.bool_)
    keep[list(bad)] = False
    return Taken(number, batch.readings.take(keep), _refuse(batch.readings, bad))


def _refuse(readings: Readings, bad: dict[int, str]) -> tuple[Refusal, ...]:
    """One refusal per reason, however many readings share it: a broken gateway must not multiply its own noise."""
    by_reason: dict[str, list[int]] = {}
    for i, reason in bad.items():
        by_reason.setdefault(reason, []).append(i)
    return tuple(
        Refusal(Why.READING, reason, encode_vitals(readings.take(np.array(sorted(index)))), len(index))
        for reason, index in by_reason.items()
    )


class _Head(msgspec.Struct):
    outbox: str
    n: int


_head = msgspec.json.Decoder(_Head)


def head(payload: bytes) -> Number | None:
    """Reads as much of an unusable batch as confirming it takes.

    Without this a batch that can never be used stays in its gateway's outbox and is sent again for ever.
    """
    inflater = zlib.decompressobj()
    try:
        found = _head.decode(inflater.decompress(payload[: batches.MAX_PAYLOAD_BYTES], batches.MAX_JSON_BYTES))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not (0 < len(found.outbox) <= MAX_TEXT and 1 <= found.n <= MAX_NUMBER):
        return None
    return Number(found.outbox, found.n)


_status = msgspec.json.Decoder(Status)


def take_status(gateway: str, payload: bytes) -> Status | Refusal:
    """Reads a status that arrived on the topic of `gateway`."""
    if len(payload) > batches.MAX_PAYLOAD_BYTES:
        return Refusal(Why.STATUS, f"status of {len(payload)} bytes is over {batches.MAX_PAYLOAD_BYTES}", payload)
    try:
        status = _status.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal(Why.STATUS, f"not a status: {error}", payload)
    if status.id != gateway or status.kind != "gateway":
        return Refusal(Why.WRONG_NAME, f"status of {status.kind} {status.id} came on the topic of {gateway}", payload)
    return status
