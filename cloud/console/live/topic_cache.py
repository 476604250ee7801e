"""In-memory copy of admissions, rotas and recent events, followed from Kafka.

The warehouse has the same, a minute later. A page must show an acknowledgement sooner.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from cloud.admissions.adt.records import PersonFile, Question
from cloud.duty.house import House
from cloud.duty.records import Duty, kind_of
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Record, read_to_end
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.bounds import decoded
from vitals.contact_standing import ContactStanding, read_channel_record
from vitals.contacts import Notification
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.wire import topics

logger = logging.getLogger("console")
KEEP: Final = 20_000
"""Events, messages and actions kept of each kind; older ones are in the warehouse."""
BACK: Final = 1_000
"""Records of each partition that are read back at the start."""
RETRY_S: Final = 3.0


@dataclass(slots=True)
class TopicCache:
    """The copy. Any thread may read it; collections that grow in place are copied for that.

    Attributes:
        admissions: Newest admission by patient, discharged ones included.
        house: Directory of contacts, rotas and assigned beds.
        standings: Standing of each contact's channels.
        events: Latest alarm events.
        notifications: Latest notifications.
        actions: Latest actions.
        questions: Open questions of ADT, by patient.
        pauses: End of each alarm's audio pause, UTC epoch ms.
    """

    admissions: dict[str, Admission] = field(default_factory=dict)
    house: House = field(default_factory=House)
    standings: dict[str, ContactStanding] = field(default_factory=dict)
    events: deque[AlarmEvent] = field(default_factory=lambda: deque(maxlen=KEEP))
    notifications: deque[Notification] = field(default_factory=lambda: deque(maxlen=KEEP))
    actions: deque[Action] = field(default_factory=lambda: deque(maxlen=KEEP))
    questions: dict[str, tuple[Question, ...]] = field(default_factory=dict)
    pauses: dict[str, int] = field(default_factory=dict)
    _beds: dict[str, dict[str, Admission]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, record: Record) -> str | None:  # noqa: PLR0912 - a branch for each topic
        """Applies a record; returns the reason if it cannot be read, else None."""
        if record.value is None:
            if record.topic == topics.PATIENTS:
                self._leave(self.admissions.pop(record.key.decode(errors="replace"), None))
            if record.topic == topics.ADT:
                self.questions.pop(record.key.decode(errors="replace"), None)
            return None
        try:
            if record.topic == topics.PATIENTS:
                self.admit(decoded(record.value, Admission))
            elif record.topic == topics.CONTACTS:
                self.enter(decoded(record.value, kind_of(record.key)))
            elif record.topic == topics.ADT:
                self.ask(decoded(record.value, PersonFile))
            elif record.topic == topics.CHANNELS:
                one = read_channel_record(record.value)
                if isinstance(one, ContactStanding):
                    self.standings = {**self.standings, one.contact: one}
            elif record.topic == topics.ALARMS:
                self.events.append(decoded(record.value, AlarmEvent))
            elif record.topic == topics.NOTIFICATIONS:
                self.notifications.append(decoded(record.value, Notification))
            elif record.topic == topics.ACTIONS:
                self.did(decoded(record.value, Action))
        except ValueError as error:
            return str(error)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            # An unexpected error in one record must not end the follower, on which every page depends.
            logger.exception("%s[%s]@%s raised while it was applied", record.topic, record.partition, record.offset)
            return describe_exception(error)
        return None

    def admit(self, admission: Admission) -> None:
        """Stores an admission, unless a newer version is known."""
        # The follower and a request may admit at the same time.
        with self._lock:
            known = self.admissions.get(admission.patient)
            if known is None or known.version <= admission.version:
                self._leave(known)
                self.admissions[admission.patient] = admission
                if admission.discharged is None:
                    self._beds.setdefault(admission.ward, {})[admission.patient] = admission

    def _leave(self, admission: Admission | None) -> None:
        if admission is not None:
            self._beds.get(admission.ward, {}).pop(admission.patient, None)

    def ask(self, file: PersonFile) -> None:
        """Stores the open questions about a patient."""
        if file.questions:
            self.questions[file.patient] = file.questions
        else:
            self.questions.pop(file.patient, None)

    def enter(self, value: Duty) -> None:
        """Stores a record of topic `contacts`, unless a newer version is known."""
        with self._lock:
            self.house.take(value)

    def did(self, action: Action) -> None:
        """Stores an action, unless it is known."""
        if any(action.id == known.id for known in list(self.actions)[-50:]):
            return
        self.actions.append(action)
        if action.act is Act.AUDIO_PAUSE and action.alarm:
            ended = {alarm: t for alarm, t in self.pauses.items() if t > action.t}
            self.pauses = {**ended, action.alarm: action.t + action.pause_s * 1000}

    def present(self) -> list[Admission]:
        """Returns all patients in a bed, by ward and bed."""
        return [admission for ward in sorted(self._beds) for admission in self.on_ward(ward)]

    def on_ward(self, ward: str) -> list[Admission]:
        """Returns all patients in a bed of a ward, by bed."""
        # `sorted` copies before it calls the key function, so another thread may admit at the same time.
        return sorted(self._beds.get(ward, {}).values(), key=lambda a: a.bed)

    def here(self, patient: str) -> bool:
        """Returns whether a patient is in a bed."""
        admission = self.admissions.get(patient)
        return admission is not None and admission.discharged is None

    def wards(self) -> list[str]:
        """Returns every ward with patients or a rota."""
        return sorted({ward for ward, beds in list(self._beds.items()) if beds} | self.house.rotas.keys())


@dataclass(slots=True)
class Follower:
    """Updates a `TopicCache` from the log, in a thread.

    Attributes:
        people: Cache to update.
        connect: Creates a reader; called again after a failure of the log.
        layout: Lanes and partitions of the deployment.
        ready: Set once every record from before the start is applied.
        down: Reason why the log cannot be read; None while it can.
    """

    people: TopicCache
    connect: Callable[[], Reader]
    layout: Partitioning
    ready: threading.Event = field(default_factory=threading.Event)
    down: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Follows the log until `stop` is set; retries after a failure."""
        while not stop.is_set():
            try:
                self._follow(self.connect(), stop)
            except KafkaUnavailableError as error:
                self.down = str(error)
                logger.warning("log cannot be read, retrying: %s", error)
                stop.wait(RETRY_S)

    def _follow(self, reader: Reader, stop: threading.Event) -> None:
        try:
            whole = [*self.layout.places(topics.PATIENTS), (topics.CONTACTS, 0), (topics.CHANNELS, 0), (topics.ADT, 0)]
            tails = [p for t in (topics.ALARMS, topics.NOTIFICATIONS, topics.ACTIONS) for p in self.layout.places(t)]
            starts: dict[Place, int] = dict.fromkeys(whole, 0)
            starts |= {place: max(0, end - BACK) for place, end in reader.ends(tails).items()}
            found = read_to_end(reader, starts)
            self._take(found)
            self.down = None
            self.ready.set()
            read = {place: max((r.offset + 1 for r in found if r.place == place), default=0) for place in starts}
            reader.assign({place: max(start, read[place]) for place, start in starts.items()})
            while not stop.is_set():
                self._take(reader.read(0.2))
        finally:
            reader.close()

    def _take(self, records: Iterable[Record]) -> None:
        for record in sorted(records, key=lambda r: r.t):
            reason = self.people.take(record)
            if reason is not None:
                logger.warning("%s[%s]@%s is skipped: %s", record.topic, record.partition, record.offset, reason)
