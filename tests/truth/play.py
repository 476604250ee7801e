"""The product in one process on a moved clock: the gateway's filter and its word on devices, the engine, the notifier.

The uplink, Kafka and Spark are left out: they carry and mark readings, and decide on no alarm. What they do to a
reading's age is a storm's matter (`make faults`).
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.duty.records import key_of
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.notify.channels.port import Receipt, RenderedMessage
from cloud.notify.delivery.attempts import Delivery
from cloud.notify.delivery.throttle import RecipientQueues
from cloud.notify.log_output import LogOutput
from cloud.notify.messages.templates import Links
from cloud.notify.notifier import Notifier, Terms
from cloud.notify.routing.on_call import OnCall
from edge.ingest import artefact_filter as artefacts
from edge.ingest.roster import AssignmentTable
from edge.status.health import Devices
from tests.truth.messages import problem
from tests.truth.people import NURSE, People
from vitals import engine, readings
from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment, Roster
from vitals.alarm_events import AlarmEvent, Priority, decode, encode
from vitals.contacts import Contact, DutyRole, Notification, Rota
from vitals.duty import Assignments, BedDuty
from vitals.signs import SIGNS, SUSPECT_BITS
from vitals.status import Health, Status
from vitals.wire import topics

GATEWAY: Final = "gw"
WARD: Final = "ward"
CHARGE: Final = "charge"
STATUS_MS: Final = 3_000
FOREVER: Final = 2**53
_SHIFTS = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS
_ALARMS: Final = (topics.ALARMS, 0)


class Inline(Executor):
    """Runs what it is given at once, so that a run of the same seed is the same run."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as the base class has it
        """See `Executor.submit`."""
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future carries it, as a thread's would
            done.set_exception(error)
        return done


class Phones:
    """`cloud.notify.channels.sns.Sender` that accepts every message at once."""

    def __init__(self) -> None:
        self._sent = 0

    def prepare(self, contact: Contact) -> None:
        """See `Sender.prepare`."""

    def release(self, contact: str) -> None:
        """See `Sender.release`."""

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `Sender.send`."""
        self._sent += 1
        return Receipt(f"m-{self._sent}", texts.channels)

    send_directly = send


def rota() -> tuple[Contact, ...]:
    """Returns who is on duty: a nurse, then a registrar, then a consultant."""
    return tuple(
        Contact(
            contact=name,
            name=name,
            start=0,
            end=FOREVER,
            phone=f"+44163296000{step}",
            email=f"{name}@example.org",
            step=step,
        )
        for step, name in enumerate((NURSE, "registrar", "consultant"))
    )


def staff(nurses: int) -> tuple[Contact, ...]:
    """Returns nurses who share the beds, a charge nurse and a consultant."""
    named = [(f"{NURSE}-{k}", 0, DutyRole.STAFF) for k in range(nurses)]
    named += [(CHARGE, 1, DutyRole.CHARGE), ("consultant", 2, DutyRole.STAFF)]
    return tuple(
        Contact(
            contact=name,
            name=name,
            start=0,
            end=FOREVER,
            phone=f"+4416329601{k:02}",
            email=f"{name}@example.org",
            step=step,
            role=role,
        )
        for k, (name, step, role) in enumerate(named)
    )


def shares(beds: int, nurses: int, start: int) -> Assignments:
    """Returns beds in turn to each nurse, with the next one as buddy."""
    duties = tuple(
        BedDuty(bed=f"b{k}", nurse=f"{NURSE}-{k % nurses}", buddy=f"{NURSE}-{(k + 1) % nurses}", start=1, end=FOREVER)
        for k in range(beds)
    )
    return Assignments(ward=WARD, version=start, beds=duties)


@dataclass(slots=True)
class Batch:
    """Readings in order of time.

    Attributes:
        patient: (k,) index of the patient.
        t: (k,) event times, UTC epoch ms.
        values: (k, signs) as cleaned by the gateway.
        suspect: (k,) packed reasons.
        off: (k,) fields whose sensor is off.
    """

    patient: NDArray[np.intp]
    t: NDArray[np.int64]
    values: NDArray[np.float64]
    suspect: NDArray[np.int64]
    off: list[tuple[str, ...]]

    def part(self, first: int, end: int) -> "Batch":
        """Returns the readings from `first` to before `end`."""
        return Batch(*(column[first:end] for column in (self.patient, self.t, self.values, self.suspect, self.off)))


class Product:
    """The parts that decide who is paged.

    Args:
        cadence_s: Seconds between two readings.
        cuff_s: (n,) seconds between two cuff pressures, 0 with a line.
        people: Those who read.
        start: UTC epoch ms.
        nurses: Number of nurses with assigned beds; 0 for one nurse of all beds.
    """

    def __init__(
        self, cadence_s: int, cuff_s: NDArray[np.float64], people: People, start: int, nurses: int = 0
    ) -> None:
        n = len(cuff_s)
        self.now = start
        self._people = people
        placements = [
            DeviceAssignment(
                device=f"d{i}", patient=f"p{i}", ward=WARD, bed=f"b{i}", since=start,
                cadence_s=float(cadence_s), cuff_s=float(cuff_s[i]),
            )
            for i in range(n)
        ]  # fmt: skip
        self._names = {name: readings.text([f"{name}{i}" for i in range(n)]) for name in "pdb"}
        self._filter = np.moveaxis(np.full((artefacts.COLUMNS, n, len(SIGNS)), np.nan), 0, 1)
        self._profile = np.zeros(n, dtype=np.int64)
        self._book = AssignmentTable(Roster(gateway=GATEWAY, version=1, placements=tuple(placements)))
        self._devices, self._health, self._next_status = Devices(), (), start
        self.log = MemoryLog(lambda: self.now)
        self._state, events = engine.place(engine.empty(), placements, start)
        self._known: dict[tuple[str, int], AlarmEvent] = {}
        self._notifier = self._start_notifier(n, nurses)
        self._write(events)

    def _start_notifier(self, beds: int, nurses: int) -> Notifier:
        duty = Rota(ward=WARD, version=1, contacts=staff(nurses) if nurses else rota())
        if nurses:
            shared = shares(beds, nurses, 1)
            self.log.append((topics.CONTACTS, 0), key_of(shared), msgspec.json.encode(shared))
        self.log.append((topics.CONTACTS, 0), WARD.encode(), msgspec.json.encode(duty))
        notifier = Notifier(
            terms=Terms(Partitioning(1, 1), Links("https://wardwatch.example.org"), 300_000, 5_000),
            reader=MemoryReader(self.log),
            output=LogOutput(Partitioning(1, 1), MemoryWriter(self.log)),
            on_call=OnCall({}, "technical"),
            queues=RecipientQueues(10, 6_000, 60_000),
            delivery=Delivery(Phones(), Inline(), 3, lambda: self.now),
            clock=lambda: self.now,
            arrived=self._arrived,
        )
        notifier.start()
        return notifier

    def _arrived(self, notification: Notification) -> None:
        self._people.hear(notification.contact, self._known[notification.alarm, notification.n], self.now)

    def clean(
        self, t: NDArray[np.int64], values: NDArray[np.float64], off: NDArray[np.bool_], sent: NDArray[np.bool_]
    ) -> Batch:
        """Cleans one round as the gateway does; devices that did not send are passed over."""
        rows = np.flatnonzero(sent)
        cleaned, codes, kept = artefacts.clean(
            self._filter[rows], t[rows], values[rows], off[rows], self._profile[rows]
        )
        self._filter[rows] = kept
        suspect = np.bitwise_or.reduce(codes.astype(np.int64) << _SHIFTS, axis=1)
        fields = [tuple(s.field for s, is_off in zip(SIGNS, off[i], strict=True) if is_off) for i in rows]
        return Batch(rows, t[rows], cleaned, suspect, fields)

    def advance(self, batch: Batch, now: int) -> None:
        """Judges readings that have come up to `now`, UTC epoch ms; then people act, and messages go out."""
        self.now = now
        self._state, events = engine.advance(self._state, self._readings(batch), now)
        self._write(events)
        self._report(batch, now)
        for act in self._people.due(now, self._shown):
            event = act.event
            action = Action(
                id=f"{event.id}.{act.t}.{act.by}", act=Act.ACKNOWLEDGE, patient=event.patient or event.subject,
                t=now, by=act.by, alarm=event.id, incident=event.incident, shown=now,
            )  # fmt: skip
            self._state, events = engine.act(self._state, action, now)
            self._write(events)
        self._stand_by(now)
        # The first step hands messages over, the second records their acceptance.
        self._notifier.step(0)
        self._notifier.step(0)

    def _stand_by(self, now: int) -> None:
        """Plays the standbys that begin now; the judge counts those alone that the engine did not refuse."""
        for away in self._people.leaving(now):
            number = away.patient.removeprefix("p")
            action = Action(
                id=f"standby.{away.patient}.{now}", act=Act.STANDBY, patient=away.patient, bed=f"b{number}", t=now,
                by=NURSE, pause_s=(away.end - now) // 1000,
            )  # fmt: skip
            self._state, events = engine.act(self._state, action, now)
            self._write(events)
            kept = engine.standby(self._state, away.patient)
            if kept is not None and kept.id == action.id:
                self._people.stood_by(away.patient, now, kept.until)

    def _shown(self, patient: str) -> set[str]:
        """Returns the problems of a patient that a page shows now."""
        alarms = (e for e in engine.active(self._state) if e.patient == patient and e.incident)
        return {name for e in alarms if e.priority >= Priority.MEDIUM and (name := problem(e)) is not None}

    def _readings(self, batch: Batch) -> readings.Readings:
        k, i = len(batch.t), batch.patient
        same, zero = np.full(k, WARD, dtype=np.object_), np.zeros(k, dtype=np.int64)
        return readings.Readings(
            patient=self._names["p"][i], device=self._names["d"][i], gateway=np.full(k, GATEWAY, dtype=np.object_),
            ward=same, bed=self._names["b"][i], boot=zero, seq=batch.t // 1000, t=batch.t, t_gw=batch.t,
            roster=zero + 1, suspect=batch.suspect, limits=zero, values=batch.values,
        )  # fmt: skip

    def _report(self, batch: Batch, now: int) -> None:
        for i, t, off in zip(batch.patient.tolist(), batch.t.tolist(), batch.off, strict=True):
            self._devices.heard(f"d{i}", t, off)
        if now < self._next_status:
            return
        self._next_status = now + STATUS_MS
        devices = self._devices.status(self._book, {}, now)
        health = tuple(device.health for device in devices)
        if health != self._health:
            self._health = health
            status = Status(id=GATEWAY, kind="gateway", health=Health.UP, t=now, devices=devices)
            self._state, events = engine.report(self._state, status, now)
            self._write(events)

    def _write(self, events: tuple[AlarmEvent, ...]) -> None:
        for event in events:
            self._known[event.id, event.n] = event
            self.log.append(_ALARMS, event.subject.encode(), encode(event))

    def alarms(self) -> list[AlarmEvent]:
        """Returns every alarm event so far."""
        return [decode(record.value or b"") for record in self.log.records(topics.ALARMS)]

    def notifications(self) -> list[Notification]:
        """Returns every notification so far."""
        records = self.log.records(topics.NOTIFICATIONS)
        return [msgspec.json.decode(record.value or b"", type=Notification) for record in records]
