"""Nurse of the endless demo: charts each patient, sets one standby, and answers high alarms."""

import csv
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Producer

from infra.local.topic_observer import PARTITIONS
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority
from vitals.bounds import encoded
from vitals.wire import topics

NAME: Final = "Bela Holt"
BEGIN_MS: Final = 8_000
"""Wait after the admissions, until engines and gateways know the patients."""
COMING_MS, ACKNOWLEDGE_MS = 20_000, 60_000
"""Age of a high alarm at which the nurse is coming, and at the bed."""
STANDBY_S: Final = 900
Write = Callable[[Action], None]


def writer(bootstrap: str) -> Write:
    """Returns a function that writes an action to topic `actions`."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})

    def write(action: Action) -> None:
        place = topics.partition(topics.lane(action.patient), PARTITIONS)
        producer.produce(topics.ACTIONS, key=action.patient.encode(), value=encoded(action), partition=place)
        producer.flush(5)

    return write


def patients(roster: Path) -> dict[str, tuple[str, str]]:
    """Returns patient and bed of each device in a roster file."""
    with roster.open(encoding="utf-8", newline="") as file:
        return {row["devices"]: (row["patient"], row["bed"]) for row in csv.DictReader(file)}


class Nurse:
    """Acts in steps; each step is at a time, UTC epoch ms.

    Args:
        write: Writes an action.
        roster: Patient and bed by device.
        off_monitor: Device of the patient on standby.
        begin: Time of the admissions, UTC epoch ms.
    """

    def __init__(self, write: Write, roster: dict[str, tuple[str, str]], off_monitor: str, begin: int) -> None:
        self._write = write
        self._roster = roster
        self._off_monitor = off_monitor
        self._begin = begin
        self._charted = False
        self._given: set[tuple[str, Act]] = set()

    def look(self, alarms: Iterable[AlarmEvent], now: int) -> None:
        """Charts and sets the standby once, and answers high alarms by their age."""
        if now - self._begin < BEGIN_MS:
            return
        if not self._charted:
            self._charted = True
            for patient, _ in self._roster.values():
                self._write(_action(Act.CHART, patient, now, consciousness="A", oxygen=False))
            patient, bed = self._roster[self._off_monitor]
            self._write(_action(Act.STANDBY, patient, now, bed=bed, pause_s=STANDBY_S))
        for event in alarms:
            self._answer(event, now)

    def _answer(self, event: AlarmEvent, now: int) -> None:
        calls = event.patient and event.priority is Priority.HIGH and event.phase is not Phase.END
        if not calls or event.patient is None or event.inactivation is not Inactivation.NONE:
            return
        age = now - event.start
        act = Act.ACKNOWLEDGE if age >= ACKNOWLEDGE_MS else Act.COMING if age >= COMING_MS else None
        if act is None or (event.id, act) in self._given:
            return
        self._given.add((event.id, act))
        whole = {"incident": event.incident, "shown": event.log_t} if event.incident else {}
        self._write(_action(act, event.patient, now, alarm=event.id, **whole))


def _action(act: Act, patient: str, now: int, **facts: object) -> Action:
    values = {"id": uuid.uuid4().hex, "act": act.value, "patient": patient, "t": now, "by": NAME, **facts}
    return msgspec.convert(values, Action)
