"""Who is up: devices as their gateway judges them, gateways as the bridge judges them (topic `status`)."""

from enum import StrEnum

import msgspec


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
    """

    device: str
    health: Health
    t: int
    offset_ms: int = 0
    off: tuple[str, ...] = ()
    patient: str | None = None


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
    """

    id: str
    kind: str
    health: Health
    t: int
    version: str = ""
    outbox: str = ""
    backlog: int = 0
    backlog_bytes: int = 0
    backlog_since: int | None = None
    accepted: int = 0
    rejected: int = 0
    clock_synchronised: bool = True
    devices: tuple[DeviceStatus, ...] = ()
    alarms: tuple[str, ...] = ()
    slots: tuple[int, ...] = ()


class Heartbeat(msgspec.Struct, frozen=True):
    """The notifier's sign of life, sent down to gateways.

    Attributes:
        t: When, UTC epoch ms.
    """

    t: int


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be used; the value of a `vitals.rejected` record. Nothing is dropped without one.

    Attributes:
        topic: MQTT topic, or Kafka topic, partition and offset, that it came from.
        reason: Why it could not be used.
        t: When it was refused, UTC epoch ms.
        payload: The bytes, base64 in JSON, at most the first 128 KiB.
        readings: How many readings of a batch are refused here; 0 when not even that is known.
    """

    topic: str
    reason: str
    t: int
    payload: bytes
    readings: int = 0
