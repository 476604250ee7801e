"""Validation of gateways' messages: any bytes into readings and refusals. Pure.

Nothing here raises on bad input: bad input is an outcome with a reason (`Refusal`), and the rest of its batch is used.
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
    """Kinds of refusal, few enough for a metric's label; the record itself has the full reason."""

    TOPIC = "topic"
    UNDECODABLE = "undecodable"
    WRONG_NAME = "wrong-name"
    READING = "reading"
    STATUS = "status"
    GATEWAY = "by-gateway"
    """Already rejected by the gateway, and forwarded."""
    PRESSED = "pressed"
    RAISED = "raised"
    """Decoding it raised an unforeseen exception."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source of a message: a gateway's own topic.

    Attributes:
        gateway: Name of the gateway.
        name: Last level of the topic.
        slot: Slot of the gateway.
        confirmed: Topic for its confirmations.
    """

    gateway: str
    name: str
    slot: int
    confirmed: str


class BatchId(msgspec.Struct, frozen=True):
    """Identity of a batch, as `confirmed` sends it to the gateway."""

    outbox: str
    n: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """An unusable message or part of one, with the reason.

    Attributes:
        why: Kind.
        reason: Reason as text.
        payload: The bytes.
        readings: Number of rejected readings; 0 if it is unknown.
    """

    why: RejectReason
    reason: str
    payload: bytes
    readings: int = 0


class ValidBatch(msgspec.Struct, frozen=True):
    """A decoded batch.

    Attributes:
        number: Batch to confirm; None if it could not be decoded, so that nothing is confirmed.
        batch: Usable readings; None if there are none.
        refusals: Unusable parts.
    """

    number: BatchId | None
    batch: Batch | None
    refusals: tuple[Refusal, ...] = ()


@lru_cache(maxsize=1 << 16)
def source(topic: str) -> Source | None:
    """Returns the source that a topic names; None if it is no gateway's, or has the wrong slot for that gateway."""
    levels = topic.split("/")
    if len(levels) != TOPIC_LEVELS or not is_name(levels[2]):
        return None
    _, _, gateway, name = levels
    if topics.gateway_topic(gateway, name) != topic:
        return None
    return Source(gateway, name, topics.slot(gateway), topics.gateway_topic(gateway, "confirmed"))


def take(gateway: str, payload: bytes) -> ValidBatch:
    """Decodes a batch that arrived on the topic of `gateway`; if anything is wrong with it, reading by reading."""
    batch = columns.read(gateway, payload)
    if batch is not None:
        return ValidBatch(BatchId(batch.outbox, batch.n), batch)
    return examine(gateway, payload)


def examine(gateway: str, payload: bytes) -> ValidBatch:
    """Decodes a batch reading by reading: collects the usable ones, and the reason for each refusal."""
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
    """Returns one refusal per reason, however many readings share it: a broken gateway must not multiply noise."""
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
    """Reads outbox and number of an unusable batch, which its confirmation needs.

    Without it, an unusable batch would stay in its gateway's outbox and be resent for ever.
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
    """Decodes a status that arrived on the topic of `gateway`."""
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
    """Decodes a gateway's dead letters: a JSON list of `Rejected`."""
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
    """Decodes an action of a bed's buttons: an acknowledgement, a standby or its end; a gateway may do nothing else."""
    if len(payload) > uplink_batch.MAX_PAYLOAD_BYTES:
        return Refusal(
            RejectReason.PRESSED, f"action of {len(payload)} bytes is over {uplink_batch.MAX_PAYLOAD_BYTES}", payload
        )
    try:
        action = decoded(payload, Action)
    except BoundError as error:
        return Refusal(RejectReason.PRESSED, f"not an action: {error}", payload)
    if action.act not in {Act.ACKNOWLEDGE, Act.STANDBY, Act.STANDBY_END}:
        return Refusal(RejectReason.PRESSED, f"{action.act.value} is nothing that a bed's button does", payload)
    return action
