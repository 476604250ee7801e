"""Applies movements, answers and changes of admissions to census and beds in memory."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from cloud.admissions.adt.census import Beds, Census
from cloud.admissions.adt.decide import LastSign, Settlement, same_person, settle
from cloud.admissions.adt.locations import LocationMap
from cloud.admissions.adt.records import (
    MAX_UNREADABLE,
    UNREADABLE,
    Answer,
    Doubt,
    Movement,
    PersonFile,
    Question,
    Verdict,
)
from vitals.admissions import Admission
from vitals.bounds import clean

KEEP_MS = 30 * 86_400_000
"""Time after the newest movement for which the file of a patient in no bed is kept."""


@dataclass(slots=True)
class Desk:
    """Census and beds in memory; each method returns the records to write.

    Attributes:
        places: The location map.
        signs: Time of a patient's newest reading.
        census: Files of all patients.
        beds: Present admissions.
    """

    places: LocationMap
    signs: LastSign
    census: Census = field(default_factory=Census)
    beds: Beds = field(default_factory=Beds)

    def take(self, movements: Iterable[Movement], now: int) -> Settlement:
        """Applies the movements of a message; repeats change nothing."""
        files = []
        for movement in movements:
            file = self.census.with_movement(movement)
            if file is not None:
                self.census.put(file)
                files.append(file.patient)
        return self.settle(files, now, written=files) if files else Settlement()

    def refuse(self, raw: bytes, reason: str, now: int) -> Settlement:
        """Lists a message that cannot be read; the oldest are dropped."""
        digest = hashlib.sha256(raw).hexdigest()[:24]
        file = self.census.file(UNREADABLE)
        if any(q.id == digest for q in file.questions):
            return Settlement()
        question = Question(
            id=digest, doubt=Doubt.UNREADABLE, patient=UNREADABLE, t=now, asked=now, text=clean(reason)[:500]
        )
        file = msgspec.structs.replace(file, questions=(*file.questions, question)[-MAX_UNREADABLE:])
        self.census.put(file)
        return Settlement((), (file,))

    def answer(self, answer: Answer, now: int) -> Settlement:
        """Applies a person's answer; one to a question that is closed changes nothing."""
        found = next(
            (q for who in self.census.waiting for q in self.census.file(who).questions if q.id == answer.question), None
        )
        if found is None or answer.verdict not in found.verdicts:
            return Settlement()
        if found.doubt is Doubt.UNREADABLE:
            file = self.census.file(UNREADABLE)
            left = tuple(q for q in file.questions if q.id != found.id)
            file = msgspec.structs.replace(file, questions=left)
            self.census.put(file)
            return Settlement((), (file,))
        self.census.put(self.census.with_answer(found.patient, answer))
        if answer.verdict is Verdict.SAME:
            merged = self.census.with_movement(same_person(found, answer))
            if merged is not None:
                self.census.put(merged)
        return self.settle([found.patient], now, written=[found.patient])

    def admitted(self, admission: Admission, now: int) -> Settlement:
        """Applies a change of an admission; patients that wait for its bed are decided again."""
        self.beds.admit(admission)
        return self.settle([admission.patient] if admission.patient in self.census.files else [], now)

    def everybody(self, now: int) -> Settlement:
        """Decides again for all patients: after a start, or with another location map."""
        return self.settle(self.census.files, now)

    def settle(self, people: Iterable[str], now: int, written: Iterable[str] = ()) -> Settlement:
        """Decides for some patients and all that wait; `written` files are returned whether or not they change."""
        who = (set(people) | self.census.waiting) - {UNREADABLE}
        files: dict[str, PersonFile] = {patient: self.census.file(patient) for patient in written}
        changes: dict[str, Admission] = {}
        # A discharge frees a bed for a patient that waits, in the next round.
        for _ in range(len(who) + 1):
            found = settle(self.census, self.beds, self.places, self.signs, now=now, people=who)
            for file in found.files:
                self.census.put(file)
                files[file.patient] = file
            for admission in found.changes:
                self.beds.admit(admission)
                changes[admission.patient] = admission
            if not found.changes:
                break
            who = (self.census.waiting | {a.patient for a in found.changes}) - {UNREADABLE}
        return Settlement(tuple(changes.values()), tuple(files.values()))

    def outdated(self, now: int) -> list[str]:
        """Removes files of patients in no bed with an old newest movement; returns their ids, for tombstones."""
        found = [
            who
            for who, file in self.census.files.items()
            if file.movements and file.movements[-1].t < now - KEEP_MS and self.beds.present(who) is None
        ]
        for who in found:
            self.census.drop(who)
        return found
