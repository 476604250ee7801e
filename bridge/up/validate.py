"""What arrives from gateways: topics and payloads, any bytes whatever, into readings and refusals. Pure.

Nothing here raises on bad input: bad input is an outcome with a reason (`Refusal`), and the rest of its batch goes on.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from bridge.up import columns
from bridge.up.columns import Batch
from vitals.actions import Act, Action
from vitals.bounds import MAX_BATCH, MAX_ID, BoundError, decoded, is_name
from vitals.readings import Readings, problems
from vitals.status import Rejected, Status
from vitals.wire import topics, uplink_batch
from vitals.wire.vitals_record import WireError, encode_vitals

TOPIC_LEVELS: Final = 4


class RejectReason(StrEnum):
    """Kinds of refusal, few enough for a metric's label; the record itself carries the full reason."""

    TOPIC = "topic"
    UNDECODABLE = "undecodable"
    WRONG_NAME = "wrong-name"
    READING = "reading"
    STATUS = "status"
    GATEWAY = "by-gateway"
    """Refused by the gateway already, and passed on."""
    PRESSED = "pressed"
    RAISED = "raised"
    """Reading it raised an exception that nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message came from: a gateway's own topic.

    Attributes:
        gateway: Its name.
        name: Last level of the topic.
        slot: Its slot.
        confirmed: Topic on which it is told what is stored.
    """

    gateway: str
    name: str
    slot: int
    confirmed: str


class BatchId(msgspec.Struct, frozen=True):
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

    why: RejectReason
    reason: str
    payload: bytes
    readings: int = 0


class ValidBatch(msgspec.Struct, frozen=True):
    """A message, read.

    Attributes:
        number: What to confirm; None when it could not be read, so that nothing is confirmed.
        batch: What is usable; None when nothing is.
        refusals: What is not.
    """

    number: BatchId | None
    batch: Batch | None
    refusals: tuple[Refusal, ...] = ()


@lru_cache(maxsize=1 << 16)
def source(topic: str) -> Source | None:
    """Returns whose topic it is; None when it is no gateway's, or in a slot that is not that gateway's."""
    levels = topic.split("/")
    if len(levels) != TOPIC_LEVELS or not is_name(levels[2]):
        return None
    _, _, gateway, name = levels
    if topics.gateway_topic(gateway, name) != topic:
        return None
    return Source(gateway, name, topics.slot(gateway), topics.gateway_topic(gateway, "confirmed"))


def take(gateway: str, payload: bytes) -> ValidBatch:
    """Reads a batch that arrived on the topic of `gateway`: at once, or, when anything is wrong with it, bit by bit."""
    batch = columns.read(gateway, payload)
    if batch is not None:
        return ValidBatch(BatchId(batch.outbox, batch.n), batch)
    return examine(gateway, payload)


def examine(gateway: str, payload: bytes) -> ValidBatch:
    """Reads a batch slowly: finds what is usable, and says what is wrong with the rest."""
    try:
        batch = uplink_batch.decode(payload)
    except WireError as error:
        return ValidBatch(head(payload), None, (Refusal(RejectReason.UNDECODABLE, str(error), payload),))
    number, readings = BatchId(batch.outbox, batch.n), batch.readings
    if batch.gateway != gateway:
        reason = f"batch says it is of gateway {batch.gateway}, but came on the topic of {gateway}"
        return ValidBatch(number, None, (Refusal(RejectReason.WRONG_NAME, reason, payload, len(readings)),))
    bad = problems(readings)
    keep = np.ones(len(readings), dtype=np.bool_)
    keep[list(bad)] = False
    usable = columns.from_readings(gateway, batch.outbox, batch.n, readings.take(keep)) if keep.any() else None
    return ValidBatch(number, usable, _refuse(readings, bad))


def _refuse(readings: Readings, bad: dict[int, str]) -> tuple[Refusal, ...]:
    """One refusal per reason, however many readings share it: a broken gateway must not multiply its own noise."""
    by_reason: dict[str, list[int]] = {}
    for i, reason in bad.items():
        by_reason.setdefault(reason, []).append(i)
    return tuple(
        Refusal(RejectReason.READING, reason, encode_vitals(readings.take(np.array(sorted(index)))), len(index))
        for reason, index in by_reason.items()
    )


class _Head(msgspec.Struct):
    outbox: str
    n: int


_head = msgspec.json.Decoder(_Head)


def head(payload: bytes) -> BatchId | None:
    """Reads as much of an unusable batch as confirming it takes.

    Without this a batch that can never be used stays in its gateway's outbox and is sent again for ever.
    """
    inflater = uplink_batch.inflater()
    try:
        found = _head.decode(
            inflater.decompress(payload[: uplink_batch.MAX_PAYLOAD_BYTES], uplink_batch.MAX_JSON_BYTES)
        )
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not (0 < len(found.outbox) <= MAX_ID and 1 <= found.n <= MAX_BATCH):
        return None
    return BatchId(found.outbox, found.n)


def take_status(gateway: str, payload: bytes) -> Status | Refusal:
    """Reads a status that arrived on the topic of `gateway`."""
    if len(payload) > uplink_batch.MAX_PAYLOAD_BYTES:
        return Refusal(
            RejectReason.STATUS, f"status of {len(payload)} bytes is over {uplink_batch.MAX_PAYLOAD_BYTES}", payload
        )
    try:
        status = decoded(payload, Status)
    except BoundError as error:
        return Refusal(RejectReason.STATUS, f"not a status: {error}", payload)
    if status.id != gateway or status.kind != "gateway":
        return Refusal(
            RejectReason.WRONG_NAME, f"status of {status.kind} {status.id} came on the topic of {gateway}", payload
        )
    return status


def take_rejected(payload: bytes) -> list[Rejected] | Refusal:
    """Reads what a gateway has refused itself: a JSON list of `Rejected`."""
    if len(payload) > uplink_batch.MAX_PAYLOAD_BYTES:
        return Refusal(
            RejectReason.GATEWAY, f"refusals of {len(payload)} bytes are over {uplink_batch.MAX_PAYLOAD_BYTES}", payload
        )
    try:
        found = decoded(payload, list[Rejected])
    except BoundError as error:
        return Refusal(RejectReason.GATEWAY, f"not a list of refusals: {error}", payload)
    return found


def take_pressed(payload: bytes) -> Action | Refusal:
    """Reads an acknowledgement that was given at a bed; a gateway can do nothing else to an alarm."""
    if len(payload) > uplink_batch.MAX_PAYLOAD_BYTES:
        return Refusal(
            RejectReason.PRESSED, f"action of {len(payload)} bytes is over {uplink_batch.MAX_PAYLOAD_BYTES}", payload
        )
    try:
        action = decoded(payload, Action)
    except BoundError as error:
        return Refusal(RejectReason.PRESSED, f"not an action: {error}", payload)
    if action.act is not Act.ACKNOWLEDGE:
        return Refusal(RejectReason.PRESSED, f"{action.act.value} is nothing that a bed's button does", payload)
    return action
