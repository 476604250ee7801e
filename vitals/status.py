"""Who is up: devices as their gateway judges them, gateways as the bridge judges them (topic `status`)."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vitals.bounds import (
    MAX_DEVICES,
    MAX_SIGNS,
    MAX_SLOTS,
    AlarmName,
    Count,
    Int,
    Line,
    Name,
    Slot,
    Time,
    TimeOrNone,
    Words,
)

BRIDGE_CLOCK: Final = "bridge-clock"
"""What a bridge alarms of itself: its clock is off against Kafka's."""
CLOCK_OFF, CLOCK_UNSET, CLOCK_STANDS = "off", "unset", "stands"
"""Fault of a device's clock: off by a known time, never set, stopped or counting in seconds."""


class Health(StrEnum):
    """State of a device, gateway or bridge."""

    UP = "up"
    SILENT = "silent"
    """No reading for three cadences, or no status for ten seconds."""
    OFFLINE = "offline"
    """It said goodbye, or its last will did."""


class DeviceStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One device, as its gateway sees it.

    Attributes:
        device: Device id.
        health: Up, silent or offline.
        t: Arrival of its newest reading, UTC epoch ms; 0 when there was none.
        offset_ms: Device clock minus gateway clock, ms.
        off: Fields of signs whose sensor is off.
        patient: Patient it is on, None when unassigned.
        twice: Whether two devices speak under its name.
        beyond: Whether it is unassigned, with readings beyond limits.
        pace_ms: Measured send interval of a device slower than expected, ms; otherwise 0.
        clock: Confirmed fault of its clock (`CLOCK_OFF`, …); empty without one.
    """

    device: Name
    health: Health
    t: TimeOrNone
    offset_ms: Int = 0
    off: Annotated[tuple[Line, ...], Meta(max_length=MAX_SIGNS)] = ()
    patient: Name | None = None
    twice: bool = False
    clock: Line = ""
    beyond: bool = False
    pace_ms: Count = 0


class Status(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """State of one gateway or bridge; the payload on MQTT and the value of a `status` record.

    Attributes:
        id: Gateway or bridge id; the record's key.
        kind: "gateway" or "bridge".
        health: Up, silent or offline.
        t: When it was so, UTC epoch ms.
        version: Software version.
        outbox: Id of the outbox.
        backlog: Batches not yet confirmed.
        backlog_bytes: Their size, bytes.
        backlog_since: Oldest unconfirmed batch, UTC epoch ms; None without backlog.
        accepted: Readings that the outbox has committed since it was made.
        rejected: Messages refused since the start.
        clock_synchronised: Whether the gateway's clock is believed.
        devices: Its devices.
        alarms: Ids of alarms active locally.
        slots: Slots that a bridge serves.
        sent: The gateway's own clock when it published this, UTC epoch ms, before the correction that `ClockOffset`
            asks for; 0 where it does not say.
        offset_ms: What is to be added to its clock, ms: a gateway's as its bridge has measured it against its own, a
            bridge's against Kafka's; None when that was not measured.
    """

    id: Name
    kind: Line
    health: Health
    t: Time
    version: Line = ""
    outbox: Line = ""
    backlog: Count = 0
    backlog_bytes: Count = 0
    backlog_since: Time | None = None
    accepted: Count = 0
    rejected: Count = 0
    clock_synchronised: bool = True
    devices: Annotated[tuple[DeviceStatus, ...], Meta(max_length=MAX_DEVICES)] = ()
    alarms: Annotated[tuple[AlarmName, ...], Meta(max_length=MAX_DEVICES)] = ()
    slots: Annotated[tuple[Slot, ...], Meta(max_length=MAX_SLOTS)] = ()
    sent: TimeOrNone = 0
    offset_ms: Int | None = None


class ClockOffset(msgspec.Struct, frozen=True):
    """How far a gateway's clock is off, sent down to it: what it sent, and when that came.

    Attributes:
        offset_ms: The bridge's clock minus `Status.sent`, ms; what the way took is in it.
        t: When the bridge saw that, by its own clock, UTC epoch ms.
    """

    offset_ms: Int
    t: Time


class Heartbeat(msgspec.Struct, frozen=True):
    """The notifier's sign of life, sent down to gateways.

    Attributes:
        t: When, UTC epoch ms.
    """

    t: Time


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be used; the value of a `vitals.rejected` record. Nothing is dropped without one.

    Attributes:
        topic: MQTT topic, or Kafka topic, partition and offset, that it came from.
        reason: Why it could not be used.
        t: When it was refused, UTC epoch ms.
        payload: The bytes, base64 in JSON, at most the first 128 KiB.
        readings: How many readings of a batch are refused here; 0 when not even that is known.
    """

    topic: Words
    reason: Words
    t: Time
    payload: bytes
    readings: Count = 0
