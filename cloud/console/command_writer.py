"""What people do at the page, written to the log; each function refuses what would leave a ward in a wrong state."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from cloud.cli import act, admit, rota
from cloud.console.live.topic_cache import TopicCache
from cloud.kafka.port import KafkaUnavailableError, Writer
from cloud.settings import Kafka
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.contacts import Contact, Rota
from vitals.limits import Limit, profile
from vitals.signs import FIELDS


class ConflictError(ValueError):
    """Somebody else was faster, or a bed or device is taken; the message says who or what."""


class LogDownError(RuntimeError):
    """The log did not take it: nothing has been done, and it may be tried again."""


@dataclass(slots=True)
class CommandWriter:
    """Writes what people do.

    Attributes:
        people: What is known; what was written is taken in at once, so that the writer sees it.
        connect: Makes a writer; called again after a failure.
        settings: How subjects lie on partitions.
    """

    people: TopicCache
    connect: Callable[[], Writer]
    settings: Kafka
    _writer: Writer | None = None
    # Held from the look at who is where to the write: of two who want one bed, one is refused.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def act(self, action: Action) -> None:
        """Writes an acknowledgement, an audio pause or a charting.

        Raises:
            LogDownError: See there.
        """
        self._write(lambda writer: act.publish(writer, action, self.settings))
        self.people.did(action)

    def admit(self, admission: Admission) -> None:
        """Writes an admission.

        Raises:
            ConflictError: The patient is here already, or bed or device is somebody else's.
            LogDownError: See there.
        """
        with self._lock:
            known = self.people.admissions.get(admission.patient)
            if known is not None and known.discharged is None:
                raise ConflictError(f"{admission.patient} is in bed {known.bed} already: transfer instead")
            self._settle(admission)

    def change(self, patient: str, seen: int, **changes: object) -> Admission:
        """Changes a present patient's admission: bed, limits, discharge.

        Args:
            patient: Patient id.
            seen: Version that the person saw when they decided.
            changes: New values of fields of `Admission`, its new `version` among them.

        Raises:
            ConflictError: It has changed since, or bed or device is somebody else's.
            ValueError: The new values make no sense.
            LogDownError: See there.
        """
        with self._lock:
            known = self.people.admissions.get(patient)
            if known is None or known.discharged is not None:
                raise ConflictError(f"{patient} has left")
            if known.version != seen:
                raise ConflictError("Somebody has changed this patient meanwhile: look again")
            wanted = msgspec.structs.replace(known, **changes)
            # `replace` passes the checks of construction over.
            admission = msgspec.convert(msgspec.to_builtins(wanted), Admission)
            self._settle(admission)
            return admission

    def rota(self, ward: str, contacts: tuple[Contact, ...], version: int) -> Rota:
        """Replaces a ward's rota.

        Raises:
            LogDownError: See there.
        """
        wanted = Rota(ward=ward, version=version, contacts=contacts)
        self._write(lambda writer: rota.publish(writer, [wanted]))
        self.people.duties = {**self.people.duties, ward: wanted}
        return wanted

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
        self._write(lambda writer: admit.publish(writer, [admission], self.settings))
        self.people.admit(admission)

    def _write(self, write: Callable[[Writer], None]) -> None:
        with self._lock:
            try:
                if self._writer is None:
                    self._writer = self.connect()
                write(self._writer)
            except KafkaUnavailableError as error:
                # A writer that failed stays failed: the next try gets a new one.
                self._writer = None
                raise LogDownError(f"Not saved, nothing has been changed: {error}") from error


def action(kind: Act, patient: str, by: str, now: int, **facts: object) -> Action:
    """Builds an action; `facts` are further fields of `Action`.

    Raises:
        ValueError: They make no sense.
    """
    return msgspec.convert(
        {"id": uuid.uuid4().hex, "act": kind.value, "patient": patient, "t": now, "by": by, **facts}, Action
    )


def overrides(
    base: str, bounds: Mapping[str, tuple[float | None, float | None, float | None, float | None]]
) -> dict[str, Limit]:
    """Returns what differs from a profile; delays stay the profile's.

    Args:
        base: Name of the profile.
        bounds: Per sign: extreme low, low, high, extreme high.

    Raises:
        ValueError: A sign is unknown, or bounds contradict each other.
    """
    kept = dict(zip(FIELDS, profile(base).limits, strict=True))
    if unknown := bounds.keys() - kept.keys():
        raise ValueError(f"unknown sign {min(unknown)}")
    wanted = {f: Limit(*four, kept[f].delay_s) for f, four in bounds.items()}
    return {field: limit for field, limit in wanted.items() if limit != kept[field]}
