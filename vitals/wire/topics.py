"""Names of MQTT topics and Kafka topics, lanes and slots. No other module contains a topic's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

SLOTS: Final = 16
"""Number of slots over which gateways are distributed; a bridge serves some of them."""
LANES: Final = 16
"""Default number of lanes over which patients are distributed; fixed for the life of a deployment."""


def slot(gateway: str) -> int:
    """Returns the slot of a gateway."""
    return crc32(gateway.encode()) % SLOTS


def lane(subject: str, lanes: int = LANES) -> int:
    """Returns the lane of a patient (or of an unassigned device)."""
    return crc32(subject.encode()) % lanes


def partition(lane_: int, partitions: int) -> int:
    """Returns the partition of a lane. Every producer sets it explicitly, so that topics are co-partitioned."""
    return lane_ % partitions


# --- MQTT, gateway's broker
def device_vitals(device: str) -> str:
    """Topic on which a device publishes its readings."""
    return f"devices/{device}/vitals"


def device_status(device: str) -> str:
    """Topic on which a device is online or offline (last will)."""
    return f"devices/{device}/status"


def canary(gateway: str) -> str:
    """Returns the id of a gateway's canary: device, bed and patient that prove that the path works."""
    return f"canary-{gateway}"


def bed_alarm(bed: str) -> str:
    """Retained topic for a light or buzzer at the bed."""
    return f"beds/{bed}/alarm"


def bed_ack(bed: str) -> str:
    """Topic of the bed's acknowledge button."""
    return f"beds/{bed}/ack"


def bed_standby(bed: str) -> str:
    """Topic of the bed's standby button; the payload is minutes in decimal digits, 0 to end it, or empty."""
    return f"beds/{bed}/standby"


# --- MQTT, gateway to site broker
UP: Final = ("vitals", "status", "rejected", "pressed")
DOWN: Final = ("roster", "actions", "confirmed", "heartbeat", "clock")


def gateway_topic(gateway: str, name: str) -> str:
    """Topic between a gateway and the bridge: one of `UP` or `DOWN`."""
    return f"gateways/{slot(gateway)}/{gateway}/{name}"


def slot_filter(slot_: int, name: str) -> str:
    """Subscription of a bridge to one slot's gateways."""
    return f"gateways/{slot_}/+/{name}"


# --- Kafka
DAY_MS: Final = 86_400_000
MAX_RECORD_BYTES: Final = 4 << 20
"""Largest Kafka record: more than 1,000 readings with 1,000 limit sets need."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic.

    Attributes:
        name: Name of the topic.
        keep_ms: Retention; None for a compacted topic.
        by_lane: Whether records are partitioned by lane; otherwise one partition.
        config: Further topic settings.
    """

    name: str
    keep_ms: int | None
    by_lane: bool = True
    config: Mapping[str, str] = field(default_factory=dict)


VITALS: Final = "vitals"
SCORED: Final = "vitals.scored"
REJECTED: Final = "vitals.rejected"
SKIPPED: Final = "skipped"
STATUS: Final = "status"
ALARMS: Final = "alarms"
ACTIONS: Final = "actions"
PATIENTS: Final = "patients"
CONTACTS: Final = "contacts"
NOTIFICATIONS: Final = "notifications"
CHANNELS: Final = "channels"
ADT: Final = "adt"
ADT_ANSWERS: Final = "adt.answers"

_DATED: Final = {"message.timestamp.type": "LogAppendTime"}
"""Kafka sets the timestamps, which are log time. With producers' timestamps, one clock that is ahead would make all
other readings history, and Kafka rejects for good a record that is an hour ahead of its clock."""

TOPICS: Final[tuple[Topic, ...]] = (
    Topic(VITALS, 7 * DAY_MS, config=_DATED),
    Topic(SCORED, 7 * DAY_MS),
    Topic(REJECTED, 30 * DAY_MS, by_lane=False, config=_DATED),
    Topic(SKIPPED, 30 * DAY_MS),
    Topic(STATUS, None, by_lane=False, config=_DATED),
    Topic(ALARMS, 30 * DAY_MS),
    Topic(ACTIONS, 30 * DAY_MS, config=_DATED),
    Topic(PATIENTS, None, config=_DATED),
    Topic(CONTACTS, None, by_lane=False),
    Topic(NOTIFICATIONS, 30 * DAY_MS),
    Topic(CHANNELS, None, by_lane=False),
    Topic(ADT, None, by_lane=False),
    Topic(ADT_ANSWERS, 30 * DAY_MS, by_lane=False),
)
