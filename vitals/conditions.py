"""Catalogue of the alarm conditions that are not of one sign: kind, priority and meaning.

A sign's own conditions have the priority of their breach (`docs/alarms.md`). The evaluating module builds texts with
names and numbers; only this module decides the priority at the start.
"""

from dataclasses import dataclass
from typing import Any, Final

from vitals.alarm_events import AlarmEvent, Kind, Priority, started

NOT_NOTIFIED: Final = "not-notified"
ROTA_EMPTY: Final = "rota-empty"
HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


@dataclass(frozen=True, slots=True)
class Condition:
    """One alarm condition.

    Attributes:
        priority: Priority at the start.
        meaning: Description and consequence.
        kind: Physiological or technical.
    """

    priority: Priority
    meaning: str
    kind: Kind = Kind.TECHNICAL


CATALOGUE: Final[dict[str, Condition]] = {
    "vital-signs-lost": Condition(
        HIGH,
        "pulse and saturation are gone together: an arrest looks so; lower at first if it is one sensor",
        Kind.PHYSIOLOGICAL,
    ),
    "news2-risk": Condition(LOW, "the NEWS2 chart's risk: as high as its score says", Kind.PHYSIOLOGICAL),
    "sensor-off": Condition(LOW, "the monitor itself says that a sensor is off"),
    "not-judged": Condition(MEDIUM, "no usable reading in time; high when nobody answers, or a record was passed over"),
    "ecg-not-measured": Condition(
        LOW, "the ECG has measured, and does no more; medium after 15 min, or if no pulse is left"
    ),
    "oximeter-not-measured": Condition(
        LOW, "the oximeter has measured, and does no more; medium after 15 min, or if no pulse is left"
    ),
    "impedance-not-measured": Condition(
        LOW, "breathing has been measured, and is no more; medium after 15 min, or if no pulse is left"
    ),
    "device-silent": Condition(MEDIUM, "no reading for three cadences; high when nobody answers"),
    "gateway-down": Condition(MEDIUM, "a gateway is silent, and its beds with it; high when nobody answers"),
    "device-unstable": Condition(
        MEDIUM,
        "a monitor fell silent thrice in 15 min: one alarm until it has not for as long; *not judged* if it stays so",
    ),
    "gateway-unstable": Condition(MEDIUM, "a gateway went down thrice in 15 min; *gateway down* after 45 s of it"),
    "gateway-clock": Condition(MEDIUM, "a gateway's clock is off from its bridge's by more than five seconds"),
    "device-slow": Condition(MEDIUM, "a monitor sends less often than its admission expects"),
    "device-clock": Condition(
        LOW, "a monitor's clock is wrong: live readings are corrected, stored ones have wrong dates"
    ),
    "bridge-down": Condition(HIGH, "a bridge is silent: its gateways are not heard"),
    "bridge-unstable": Condition(MEDIUM, "a bridge went down thrice in 15 min; *bridge down* after 45 s of it"),
    "bridge-clock": Condition(MEDIUM, "a bridge's clock is off from Kafka's: it measures no gateway's meanwhile"),
    "pipeline-stalled": Condition(HIGH, "nothing is being judged, of nobody: told every ward with patients"),
    "bed-disputed": Condition(HIGH, "two patients are admitted to one bed, and one of them is not watched"),
    "device-disputed": Condition(HIGH, "two patients are admitted on one device, and one of them is not watched"),
    "outbox-write-failing": Condition(HIGH, "a gateway cannot write its outbox, and accepts no readings"),
    "outbox-trimmed": Condition(HIGH, "a gateway's outbox was full, and its oldest readings were dropped"),
    "outbox-replaced": Condition(HIGH, "a gateway's outbox was damaged, and a new one begun"),
    "outbox-rescue": Condition(MEDIUM, "what can be read of a damaged outbox is being taken over, and is not all up"),
    "memory-lost": Condition(MEDIUM, "a gateway's card has changed what it kept over a restart: it begins that anew"),
    "outbox-filling": Condition(MEDIUM, "a gateway's outbox is half full"),
    "device-two-voices": Condition(MEDIUM, "two devices speak under one name at a gateway, and hide each other"),
    "unassigned-device": Condition(MEDIUM, "an unassigned monitor is beyond limits; high without an acknowledgement"),
    "clock-unset": Condition(LOW, "a gateway has no clock: its times are wrong until it is set"),
    "remote-monitoring-lost": Condition(MEDIUM, "at a gateway's own light: nobody is paged"),
    "snapshots-failing": Condition(MEDIUM, "alarms go on, and a restart of the alarm engine would take long"),
    "records-passed-over": Condition(MEDIUM, "records raised an exception and were passed over, with a count"),
    "foreign-readings": Condition(MEDIUM, "a gateway speaks of patients it does not have; high when it goes on"),
    NOT_NOTIFIED: Condition(MEDIUM, "no channel reached a contact; as high as the alarm that it was about"),
    ROTA_EMPTY: Condition(MEDIUM, "nobody is on duty on a ward; as high as the alarm that met nobody"),
}


def priority_of(condition: str) -> Priority:
    """Returns a condition's priority at the start.

    Raises:
        KeyError: It is not in the catalogue.
    """
    return CATALOGUE[condition].priority


def technical(
    subject: str,
    condition: str,
    *,
    start: int,
    now: int,
    text: str,
    cause: Priority = LOW,
    **about: Any,  # noqa: ANN401 - fields of AlarmEvent, which checks them
) -> AlarmEvent:
    """Returns the first event of a technical alarm that no engine evaluates; arguments as in `alarm_events.started`.

    Its priority is the catalogue's, or that of the alarm which caused it (`cause`) if that is higher.
    """
    priority = max(priority_of(condition), cause)
    return started(subject, condition, Kind.TECHNICAL, priority, start=start, now=now, text=text, **about)
