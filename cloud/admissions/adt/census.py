"""The census by messages: a file for each patient id, and the ids that merges have made one person."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from cloud.admissions.adt.records import MAX_MOVEMENTS, Answer, Movement, PersonFile, Trigger
from vitals.admissions import Admission


@dataclass(slots=True)
class Census:
    """Files by patient id.

    Attributes:
        files: The files.
        waiting: Patient ids with an open question.
    """

    files: dict[str, PersonFile] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    _groups: dict[str, frozenset[str]] = field(default_factory=dict)

    def put(self, file: PersonFile) -> None:
        """Stores a file."""
        self.files[file.patient] = file
        (self.waiting.add if file.questions else self.waiting.discard)(file.patient)
        for m in file.movements:
            if m.trigger is Trigger.MERGE and m.merged not in self.group(m.patient):
                whole = self.group(m.patient) | self.group(m.merged)
                self._groups |= dict.fromkeys(whole, whole)

    def drop(self, patient: str) -> None:
        """Forgets a file; merges with it stay until the next start."""
        self.files.pop(patient, None)
        self.waiting.discard(patient)

    def group(self, patient: str) -> frozenset[str]:
        """Returns every id of a person."""
        return self._groups.get(patient) or frozenset((patient,))

    def file(self, patient: str) -> PersonFile:
        """Returns a patient's file, an empty one if there is none."""
        return self.files.get(patient) or PersonFile(patient=patient)

    def movements(self, group: Iterable[str]) -> list[Movement]:
        """Returns the movements of a person under all ids, in their order."""
        files = [self.files[who].movements for who in group if who in self.files]
        if len(files) == 1:
            return list(files[0])
        return sorted((m for movements in files for m in movements), key=lambda m: m.rank)

    def with_movement(self, movement: Movement) -> PersonFile | None:
        """Returns the file after a movement; None for a repeat, or one that is older than all of a full file."""
        file = self.file(movement.patient)
        if any(known.id == movement.id for known in file.movements):
            return None
        movements = sorted((*file.movements, movement), key=lambda m: m.rank)[-MAX_MOVEMENTS:]
        if movement not in movements:
            return None
        return msgspec.structs.replace(file, movements=tuple(movements))

    def with_answer(self, patient: str, answer: Answer) -> PersonFile:
        """Returns the file after an answer."""
        file = self.file(patient)
        others = tuple(a for a in file.answers if a.question != answer.question)
        return msgspec.structs.replace(file, answers=(*others, answer)[-MAX_MOVEMENTS:])


@dataclass(slots=True)
class Beds:
    """Present admissions, by patient, bed and device.

    Attributes:
        admissions: Newest admission by patient, discharged ones included.
    """

    admissions: dict[str, Admission] = field(default_factory=dict)
    _holders: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def admit(self, admission: Admission) -> None:
        """Stores an admission, unless a newer version is known."""
        known = self.admissions.get(admission.patient)
        if known is not None and known.version > admission.version:
            return
        self.remove(admission.patient)
        self.admissions[admission.patient] = admission
        for claim in claims(admission):
            self._holders[claim] = self._holders.get(claim, frozenset()) | {admission.patient}

    def remove(self, patient: str) -> None:
        """Removes an admission."""
        known = self.admissions.pop(patient, None)
        for claim in claims(known) if known is not None else ():
            left = self._holders[claim] - {patient}
            if left:
                self._holders[claim] = left
            else:
                del self._holders[claim]

    def present(self, patient: str) -> Admission | None:
        """Returns the admission of a patient in a bed."""
        found = self.admissions.get(patient)
        return None if found is None or found.discharged is not None else found

    def holders(self, admission: Admission) -> set[str]:
        """Returns the other patients with the bed or a device of an admission."""
        none: frozenset[str] = frozenset()
        found = {who for claim in claims(admission) for who in self._holders.get(claim, none)}
        return found - {admission.patient}


def claims(admission: Admission) -> list[tuple[str, str]]:
    """Returns bed and devices that an admission holds; none after a discharge."""
    if admission.discharged is not None:
        return []
    return [("bed", admission.bed), *(("device", device) for device in admission.devices)]
