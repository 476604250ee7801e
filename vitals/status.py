"""Status of devices, as their gateway reports it, and of gateways and bridges (topic `status`)."""

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
"""A bridge's alarm of itself: its clock differs from Kafka's."""
CLOCK_OFF, CLOCK_UNSET, CLOCK_STANDS = "off", "unset", "stands"
"""Fault of a device's clock: off by a known time, never set, stopped or counting in seconds."""


class Health(StrEnum):
    """State of a device, gateway or bridge."""

    UP = "up"
    SILENT = "silent"
    """No reading for three cadences, or no status for ten seconds."""
    OFFLINE = "offline"
    """It disconnected, or its last will was published."""


class DeviceStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Status of one device, as its gateway reports it.

    Attributes:
        device: Device id.
        health: Up, silent or offline.
        t: Arrival of its newest reading, UTC epoch ms; 0 without one.
        offset_ms: Device clock minus gateway clock, ms.
        off: Fields of signs with a sensor that is off.
        patient: Its patient, None if unassigned.
        twice: Whether two devices send under its name.
        beyond: Whether it is unassigned, with readings beyond limits.
        pace_ms: Measured send interval of a device slower than expected, ms; otherwise 0.
        clock: Confirmed fault of its clock (`CLOCK_OFF`, …); empty without one.
        other_patient: Whether its messages name another patient than its admission.
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
    other_patient: bool = False


class Status(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """State of one gateway or bridge; the payload on MQTT and the value of a `status` record.

    Attributes:
        id: Gateway or bridge id; the record's key.
        kind: "gateway" or "bridge".
        health: Up, silent or offline.
        t: Time of the status, UTC epoch ms.
        version: Software version.
        outbox: Id of the outbox.
        backlog: Batches not yet confirmed.
        backlog_bytes: Size of the backlog, bytes.
        backlog_since: Time of the oldest unconfirmed batch, UTC epoch ms; None without backlog.
        accepted: Readings that the outbox has committed since its creation.
        rejected: Messages rejected since the start.
        clock_synchronised: Whether the gateway's clock is set.
        devices: Status of each device; in a bridge's status, of each gateway.
        alarms: Ids of alarms active locally.
        slots: Slots that a bridge serves.
        sent: The gateway's own clock at publication, UTC epoch ms, without the correction by `ClockOffset`; 0 if
            unknown.
        offset_ms: Time to add to its clock, ms: for a gateway as its bridge measured it against its own clock, for a
            bridge against Kafka's; None if not measured.
        holder: In the notifier's heartbeat: process that sends (`cloud.notify.lease`); "" for none or an older version.
        starting: Whether that process still reads the log back.
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
    holder: Line = ""
    starting: bool = False


class ClockOffset(msgspec.Struct, frozen=True):
    """Clock offset of a gateway, which its bridge measures by a status and sends to it.

    Attributes:
        offset_ms: The bridge's clock at arrival minus `Status.sent`, ms, which includes the transmission time.
        t: Arrival of the status by the bridge's clock, UTC epoch ms.
    """

    offset_ms: Int
    t: Time


class Heartbeat(msgspec.Struct, frozen=True):
    """The notifier's heartbeat, sent to gateways.

    Attributes:
        t: Time of the heartbeat, UTC epoch ms.
    """

    t: Time


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: a rejected message with its reason; the value of a `vitals.rejected` record.

    No message is dropped without one.

    Attributes:
        topic: MQTT topic, or Kafka topic, partition and offset, of the message.
        reason: Reason of the rejection.
        t: Time of the rejection, UTC epoch ms.
        payload: The bytes, base64 in JSON, at most the first 128 KiB.
        readings: Number of rejected readings of a batch; 0 if unknown.
    """

    topic: Words
    reason: Words
    t: Time
    payload: bytes
    readings: Count = 0
