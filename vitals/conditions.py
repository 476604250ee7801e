"""Every condition that is told of and is no sign's: its kind, its priority and what it means, in one place.

A sign's own conditions have the priority of their breach (`docs/alarms.md`). Texts with names and numbers are made
where the condition is judged; how urgent it is, is decided here alone.
"""

from dataclasses import dataclass
from typing import Final

from vitals.alarm_events import Kind, Priority

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a condition is.

    Attributes:
        priority: Its priority when it begins.
        meaning: What is so, and what follows.
        kind: Of the patient, or of the equipment.
    """

    priority: Priority
    meaning: str
    kind: Kind = Kind.TECHNICAL


CATALOGUE: Final[dict[str, Meaning]] = {
    "vital-signs-lost": Meaning(HIGH, "pulse and saturation are gone together: an arrest looks so", Kind.PHYSIOLOGICAL),
    "news2-risk": Meaning(LOW, "the NEWS2 chart's risk: as high as its score says", Kind.PHYSIOLOGICAL),
    "sensor-off": Meaning(LOW, "the monitor itself says that a sensor is off"),
    "not-judged": Meaning(MEDIUM, "no usable reading in time; high when nobody answers, or a record was passed over"),
    "ecg-not-measured": Meaning(MEDIUM, "the ECG has measured, and does no more"),
    "oximeter-not-measured": Meaning(MEDIUM, "the oximeter has measured, and does no more"),
    "impedance-not-measured": Meaning(MEDIUM, "breathing has been measured, and is no more"),
    "device-silent": Meaning(MEDIUM, "no reading for three cadences; high when nobody answers"),
    "gateway-down": Meaning(MEDIUM, "a gateway is silent, and its beds with it; high when nobody answers"),
    "gateway-clock": Meaning(MEDIUM, "a gateway's clock is off from its bridge's by more than five seconds"),
    "bridge-down": Meaning(HIGH, "a bridge is silent: its gateways are not heard"),
    "bridge-clock": Meaning(MEDIUM, "a bridge's clock is off from Kafka's: it measures no gateway's meanwhile"),
    "pipeline-stalled": Meaning(HIGH, "nothing is being judged, of nobody: told every ward with patients"),
    "bed-disputed": Meaning(HIGH, "two patients are admitted to one bed, and one of them is not watched"),
    "device-disputed": Meaning(HIGH, "two patients are admitted on one device, and one of them is not watched"),
    "outbox-write-failing": Meaning(HIGH, "a gateway cannot write its outbox, and accepts no readings"),
    "outbox-trimmed": Meaning(HIGH, "a gateway's outbox was full, and its oldest readings were dropped"),
    "outbox-replaced": Meaning(HIGH, "a gateway's outbox was damaged, and a new one begun"),
    "outbox-filling": Meaning(MEDIUM, "a gateway's outbox is half full"),
    "device-two-voices": Meaning(MEDIUM, "two devices speak under one name at a gateway, and hide each other"),
    "clock-unset": Meaning(LOW, "a gateway has no clock: its times are wrong until it is set"),
    "remote-monitoring-lost": Meaning(MEDIUM, "at a gateway's own light: nobody is paged"),
    "snapshots-failing": Meaning(MEDIUM, "alarms go on, and a restart of the alarm engine would take long"),
    "records-passed-over": Meaning(MEDIUM, "records raised an exception and were passed over, with a count"),
    "foreign-readings": Meaning(MEDIUM, "a gateway speaks of patients it does not have; high when it goes on"),
    "not-notified": Meaning(MEDIUM, "no channel reached a contact; as high as the alarm that it was about"),
    "rota-empty": Meaning(MEDIUM, "nobody is on duty on a ward; as high as the alarm that met nobody"),
}


def priority_of(condition: str) -> Priority:
    """Returns the priority with which a condition begins.

    Raises:
        KeyError: It is not in the catalogue.
    """
    return CATALOGUE[condition].priority
