"""Writes the ward page's actions and changes to the log; refuses those that would leave a ward in a wrong state."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from cloud.admissions import actions, admission_rows
from cloud.admissions.adt.answers import publish as publish_answer
from cloud.admissions.adt.records import Answer
from cloud.admissions.roster_plan import Step
from cloud.console.live.topic_cache import TopicCache
from cloud.duty.changes import rota_after
from cloud.duty.directory import entered
from cloud.duty.house import House
from cloud.duty.records import Duty, publish
from cloud.kafka.port import KafkaUnavailableError, Writer
from cloud.kafka.settings import Kafka
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.bounds import encoded
from vitals.contact_standing import PushDevice
from vitals.contacts import Contact, Messages, Notification, Rota
from vitals.duty import Assignments
from vitals.limits import Limit, profile
from vitals.signs import FIELDS
from vitals.wire import topics


class ConflictError(ValueError):
    """Another change was faster, or a bed or device is occupied; the message contains the details."""


class LogDownError(RuntimeError):
    """Kafka did not acknowledge: nothing has changed, and the user may retry."""


@dataclass(slots=True)
class CommandWriter:
    """Writes actions, admissions and rotas.

    Attributes:
        people: Followed topics; a written record is added at once, so that its author sees it.
        connect: Creates a writer; called again after a failure.
        settings: Lanes and partitions of the deployment.
    """

    people: TopicCache
    connect: Callable[[], Writer]
    settings: Kafka
    _writer: Writer | None = None
    # Held from the check of occupied beds to the write: of two admissions to one bed, one is refused.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def act(self, action: Action) -> None:
        """Writes an acknowledgement, an audio pause, a charting or a standby.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """
        self._write(lambda writer: actions.publish(writer, action, self.settings))
        self.people.did(action)

    def admit(self, admission: Admission) -> None:
        """Writes an admission.

        Raises:
            ConflictError: The patient is admitted already, or bed or device belongs to another patient.
            LogDownError: Kafka did not acknowledge.
        """
        with self._lock:
            known = self.people.admissions.get(admission.patient)
            if known is not None and known.discharged is None:
                raise ConflictError(f"{admission.patient} is in bed {known.bed} already: transfer instead")
            self._settle(admission)

    def roster(self, steps: Callable[[Mapping[str, Admission]], Sequence[Step]]) -> Sequence[Step]:
        """Writes the admissions of a roster's plan.

        Args:
            steps: Returns the plan for the newest admission of each patient; it may raise, and nothing is written.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """
        with self._lock:
            found = steps(self.people.admissions)
            made = [step.admission for step in found if step.admission is not None]
            if made:
                self._write(lambda writer: admission_rows.publish(writer, made, self.settings))
            for admission in made:
                self.people.admit(admission)
            return found

    def change(self, patient: str, seen: int, **changes: object) -> Admission:
        """Changes a present patient's admission: bed, limits, discharge.

        Args:
            patient: Patient id.
            seen: Version that the person saw when they decided.
            changes: New values of fields of `Admission`, including its new `version`.

        Raises:
            ConflictError: It has changed since, or bed or device belongs to another patient.
            ValueError: The new values are invalid.
            LogDownError: Kafka did not acknowledge.
        """
        with self._lock:
            known = self.people.admissions.get(patient)
            if known is None or known.discharged is not None:
                raise ConflictError(f"{patient} has left")
            if known.version != seen:
                raise ConflictError("Somebody has changed this patient meanwhile: look again")
            wanted = msgspec.structs.replace(known, **changes)
            # `replace` skips the checks of construction.
            admission = msgspec.convert(msgspec.to_builtins(wanted), Admission)
            self._settle(admission)
            return admission

    def rota(
        self,
        ward: str,
        rows: Sequence[Contact],
        seen: int,
        now: int,
        *,
        whole: bool,
        proof: bool | None = None,
        messages: Messages | None = None,
    ) -> Rota:
        """Replaces a ward's rota, and enters its contacts in the directory.

        Args:
            ward: Ward.
            rows: Duties; a row without addresses refers to the directory.
            seen: Version that the person saw when they decided; 0 if there was none.
            now: UTC epoch ms.
            whole: The person is an admin of all wards.
            proof: Whether a duty begins with a proof; None does not change it.
            messages: Content of messages; None does not change it.

        Raises:
            ConflictError: It has changed since.
            DirectoryError: The person may not change one of the contacts.
            LogDownError: Kafka did not acknowledge.
        """
        with self._lock:
            known = self.people.house.rotas.get(ward)
            if (known.version if known else 0) != seen:
                raise ConflictError("The rota has been changed: reload it")
            version = max(now, seen + 1)
            people, duties = entered(self.people.house, ward, rows, version, whole=whole)
            wanted = rota_after(known, Rota(ward=ward, version=version, contacts=duties), proof, messages)
            self.enter(*people, wanted)
            return wanted

    def beds(self, ward: str, wanted: Callable[[House], Assignments], seen: int | None) -> None:
        """Changes the assigned beds of a ward.

        Args:
            ward: Ward.
            wanted: Returns the assignments after the change.
            seen: Version that the person saw, 0 if there was none; None if the change does not depend on it.

        Raises:
            ConflictError: They have changed since.
            AssignmentError: The change is not possible.
            LogDownError: Kafka did not acknowledge.
        """
        with self._lock:
            known = self.people.house.beds.get(ward)
            if seen is not None and (known.version if known else 0) != seen:
                raise ConflictError("The assigned beds have been changed: reload them")
            self.enter(wanted(self.people.house))

    def enter(self, *values: Duty) -> None:
        """Writes records of topic `contacts`.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """
        self._write(lambda writer: publish(writer, values))
        for value in values:
            self.people.enter(value)

    def answer(self, answer: Answer) -> None:
        """Writes an answer to a question of ADT.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """
        self._write(lambda writer: publish_answer(writer, answer))

    def channel(self, key: str, record: PushDevice) -> None:
        """Writes a device for Web Push.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """

        def write(writer: Writer) -> None:
            writer.write((topics.CHANNELS, 0), key.encode(), encoded(record))
            writer.flush()

        self._write(write)

    def notification(self, message: Notification) -> None:
        """Writes a later state of a message.

        Raises:
            LogDownError: Kafka did not acknowledge.
        """
        place = (topics.NOTIFICATIONS, self.settings.layout.partition(message.patient))

        def write(writer: Writer) -> None:
            writer.write(place, message.patient.encode(), encoded(message))
            writer.flush()

        self._write(write)
        self.people.notifications.append(message)

    def _settle(self, admission: Admission) -> None:
        if admission.discharged is None:
            for other in self.people.present():
                if other.patient == admission.patient:
                    continue
                if other.bed == admission.bed:
                    raise ConflictError(f"Bed {admission.bed} is taken")
                shared = set(other.devices) & set(admission.devices)
                if shared:
                    raise ConflictError(f"Device {min(shared)} is on another patient, in bed {other.bed}")
        self._write(lambda writer: admission_rows.publish(writer, [admission], self.settings))
        self.people.admit(admission)

    def _write(self, write: Callable[[Writer], None]) -> None:
        with self._lock:
            try:
                if self._writer is None:
                    self._writer = self.connect()
                write(self._writer)
            except KafkaUnavailableError as error:
                # A writer that failed remains failed: the next attempt creates a new one.
                self._writer = None
                raise LogDownError(f"Not saved, nothing has been changed: {error}") from error


def action(kind: Act, patient: str, by: str, now: int, **facts: object) -> Action:
    """Builds an action; `facts` are further fields of `Action`.

    Raises:
        ValueError: They are invalid.
    """
    return msgspec.convert(
        {"id": uuid.uuid4().hex, "act": kind.value, "patient": patient, "t": now, "by": by, **facts}, Action
    )


def overrides(
    base: str, bounds: Mapping[str, tuple[float | None, float | None, float | None, float | None]]
) -> dict[str, Limit]:
    """Returns the limits that differ from a profile; delays remain the profile's.

    Args:
        base: Name of the profile.
        bounds: Per sign: extreme low, low, high, extreme high.

    Raises:
        ValueError: A sign is unknown, or limits contradict each other.
    """
    kept = dict(zip(FIELDS, profile(base).limits, strict=True))
    if unknown := bounds.keys() - kept.keys():
        raise ValueError(f"unknown sign {min(unknown)}")
    wanted = {f: Limit(*four, kept[f].delay_s) for f, four in bounds.items()}
    return {field: limit for field, limit in wanted.items() if limit != kept[field]}
