"""Census, present admissions and signs to changes and questions (ADR 0021).

The rules, in their order:

1. The newest decision counts: a movement overrides every placing by a person before its event time, and a person's
   placing at the page against every older movement. An older movement that arrives after the placing is a question.
2. No patient loses a monitor that sends. A discharge is then a question, and so is a transfer, until the signs cease.
3. No patient is moved onto a bed or device of another one. The movement waits, and the question names both.
4. Beds are exchanged at once: all movements that together leave no bed to two patients are applied in one step.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from cloud.admissions.adt.build import built, renamed
from cloud.admissions.adt.census import Beds, Census, claims
from cloud.admissions.adt.fold import Wish, demographics, wishes
from cloud.admissions.adt.locations import LocationMap, Spot
from cloud.admissions.adt.records import Answer, Doubt, Movement, PersonFile, Question, Trigger, Verdict
from vitals.admissions import Admission

QUIET_MS: Final = 90_000
"""Silence after which a monitor counts as off, or three cadences if that is longer."""
LastSign = Callable[[str], int | None]
"""Time of a patient's newest reading, UTC epoch ms; 0 if there was none; None if the alarm state does not answer."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Outcome of one decision.

    Attributes:
        changes: Admissions to write.
        files: Files that have changed, with their open questions; to be written first.
    """

    changes: tuple[Admission, ...] = ()
    files: tuple[PersonFile, ...] = ()


@dataclass(slots=True)
class _Decision:
    """Decision in progress; `wanted` has the admissions that await their beds, with their wish."""

    census: Census
    beds: Beds
    places: LocationMap
    signs: LastSign
    now: int
    wanted: dict[str, tuple[Admission, Wish]] = field(default_factory=dict)
    changes: dict[str, Admission] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    questions: dict[str, list[Question]] = field(default_factory=dict)

    def person(self, group: frozenset[str]) -> None:
        """Decides the changes by the messages of one person."""
        movements = self.census.movements(group)
        found = wishes(movements)
        named = demographics(movements)
        left = {who for who in group if self.beds.present(who)}
        for wish in found:
            stay = self._admitted_as(wish, left, {w.stay for w in found})
            left.discard(stay)
            self._stay(replace(wish, stay=stay), named)
        for who in sorted(group):
            self._rename(who, named)
        merge = max((m for m in movements if m.trigger is Trigger.MERGE), key=lambda m: m.rank, default=None)
        if merge is not None and sum(self.beds.present(who) is not None for who in group) > 1:
            self._two_beds(left, merge, group)

    def _admitted_as(self, wish: Wish, left: set[str], stays: set[str]) -> str:
        """Returns the id under which a stay is in a bed; after a late merge it may be another one."""
        spot = self.places.get(wish.location) if wish.location else None
        free = sorted(who for who in left if who == wish.stay or who not in stays)
        there = [who for who in free if spot is not None and self.beds.admissions[who].bed == spot.bed]
        return next(iter(there), wish.stay if wish.stay in left or not free else free[0])

    def _stay(self, wish: Wish, named: Movement | None) -> None:
        present = self.beds.present(wish.stay)
        wish = self._updated(wish, present)
        spot = self.places.get(wish.location) if wish.location else None
        if (present is not None and spot is not None and present.bed == spot.bed) or self._outranked(wish):
            return
        if wish.location is None or self.places.is_unwatched(wish.location):
            if present is not None:
                self._discharge(wish, present)
            return
        if spot is None:
            self._unmapped(wish, present)
            return
        if present is not None and self._holds(wish, present, spot):
            return
        made = built(
            self.beds.admissions.get(wish.stay), wish.stay, spot, named or wish.by, now=self.now, places=self.places
        )
        self.wanted[wish.stay] = made, wish

    def _updated(self, wish: Wish, present: Admission | None) -> Wish:
        """Raises a question about an update with another bed; returns the wish that a person has confirmed."""
        update = wish.update
        spot = None if update is None else self.places.get(update.location)
        if update is None or spot is None or present is None:
            return wish
        wanted = Wish(wish.stay, update.location, update)
        if present.bed == spot.bed:
            return wanted
        return wanted if self._verdict(self._ask(Doubt.DIFFERS, wanted, present)) is Verdict.YES else wish

    def _unmapped(self, wish: Wish, present: Admission | None) -> None:
        # A hospital sends messages of all its wards: a patient of another one is no question.
        if present is None and not self.places.has_ward_of(wish.location or ""):
            return
        if self._verdict(self._ask(Doubt.UNMAPPED, wish, present)) is Verdict.YES and present is not None:
            self._leave(present)

    def _discharge(self, wish: Wish, present: Admission) -> None:
        question = self._question(Doubt.SIGNS_ARRIVE, wish, present)
        answer = self._verdict(question)
        if answer is Verdict.NO:
            return
        last = self.signs(wish.stay)
        known = any(q.id == question.id for q in self.census.file(wish.stay).questions)
        # Signs that are newer than the event contradict it: once open, only a person closes the question.
        if answer is None and (self._sends(present, last) or (known and (last is None or last > wish.by.t))):
            self._open(question)
            return
        self._leave(present)

    def _holds(self, wish: Wish, present: Admission, spot: Spot) -> bool:
        """Returns whether a transfer waits, as the former bed's monitor sends."""
        if set(present.devices) <= set(spot.devices):
            return False
        question = self._question(Doubt.MOVING, wish, present)
        answer = self._verdict(question)
        if answer is None and self._sends(present, self.signs(wish.stay)):
            self._open(question)
            return True
        return answer is Verdict.NO

    def _sends(self, present: Admission, last: int | None) -> bool:
        if not present.devices:
            return False
        return last is None or self.now - last < max(QUIET_MS, 3000 * present.cadence_s)

    def _outranked(self, wish: Wish) -> bool:
        """Returns whether a person placed the patient after the event; a question if the message is later still."""
        known = self.beds.admissions.get(wish.stay)
        if known is None:
            return False
        at = known.since if known.discharged is None else known.discharged
        if at == self.census.file(wish.stay).placed or at < wish.by.t:
            return False
        present = self.beds.present(wish.stay)
        if wish.by.received < at or (present is None and wish.location is None):
            # The person knew of the event, or agrees with it.
            return True
        return self._verdict(self._ask(Doubt.DIFFERS, wish, present)) is not Verdict.YES

    def _leave(self, present: Admission) -> None:
        self._change(msgspec.structs.replace(present, discharged=self.now, version=max(self.now, present.version + 1)))
        self.placed.add(present.patient)

    def _rename(self, who: str, named: Movement | None) -> None:
        present = self.changes.get(who) or self.beds.present(who)
        if named is None or present is None or present.discharged is not None:
            return
        file = self.census.file(who)
        if file.placed != present.since and who not in self.placed and named.t < present.since:
            return
        changed = renamed(present, named, self.now)
        if changed != present:
            self._change(changed)

    def _two_beds(self, left: set[str], merge: Movement, group: frozenset[str]) -> None:
        """Discharges a stay that a late merge has made superfluous; two other beds are a question."""
        present = sorted(who for who in group if self.beds.present(who))
        for who in sorted(left) or present[:-1]:
            admission = self.beds.admissions[who]
            if who in left and self.census.file(who).placed == admission.since:
                self._discharge(Wish(who, None, merge), admission)
            else:
                other = next(each for each in present if each != who)
                self._ask(Doubt.TWO_BEDS, Wish(who, "", merge), admission, other=other)

    def settle_beds(self) -> None:
        """Applies every admission and transfer that leaves no bed or device to two patients; the others wait."""
        blocked: dict[str, str] = {}
        while found := next(self._clashes(blocked), None):
            blocked |= dict((found,))
        for who, (made, wish) in self.wanted.items():
            if who not in blocked:
                self._change(made)
                self.placed.add(who)
                continue
            other = blocked[who]
            question = self._question(Doubt.BED_TAKEN, wish, self.beds.present(who), other=other)
            answer = self._verdict(question)
            holder = self.beds.present(other)
            if answer is Verdict.YES and holder is not None and other not in self.changes:
                self._leave(holder)
            elif answer is None:
                self._open(question)

    def _clashes(self, blocked: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Yields a patient without access to the wanted bed yet, and its holder."""
        taken: dict[tuple[str, str], str] = {}
        # The newest movement comes first: of two for one bed, the older has left it.
        for who, (made, _) in sorted(self.wanted.items(), key=lambda item: item[1][1].by.rank, reverse=True):
            if who in blocked:
                continue
            for other in sorted(self.beds.holders(made)):
                after = self.changes.get(other) or self.beds.admissions[other]
                if other in self.wanted and other not in blocked:
                    after = self.wanted[other][0]
                if set(claims(after)) & set(claims(made)):
                    yield who, other
            for claim in claims(made):
                if claim in taken:
                    yield who, taken[claim]
                taken[claim] = who

    def _change(self, admission: Admission) -> None:
        self.changes[admission.patient] = admission

    def _question(
        self, doubt: Doubt, wish: Wish, present: Admission | None, text: str = "", other: str = ""
    ) -> Question:
        spot = self.places.get(wish.location) if wish.location else None
        ward = present.ward if present is not None else spot.ward if spot is not None else ""
        key = f"{doubt}/{wish.stay}/{wish.by.id}/{other}"
        return Question(
            id=hashlib.sha256(key.encode()).hexdigest()[:24], doubt=doubt, patient=wish.stay, t=wish.by.t,
            asked=self.now, ward=ward, bed=present.bed if present is not None else "", location=wish.location or "",
            other=other, text=text or TEXTS[doubt],
        )  # fmt: skip

    def _verdict(self, question: Question) -> Verdict | None:
        answers = self.census.file(question.patient).answers
        return next((a.verdict for a in answers if a.question == question.id), None)

    def _ask(self, doubt: Doubt, wish: Wish, present: Admission | None, text: str = "", other: str = "") -> Question:
        question = self._question(doubt, wish, present, text, other)
        if self._verdict(question) is None:
            self._open(question)
        return question

    def _open(self, question: Question) -> None:
        mine = self.questions.setdefault(question.patient, [])
        if all(q.id != question.id for q in mine):
            known = self.census.file(question.patient).questions
            mine.append(next((q for q in known if q.id == question.id), question))


TEXTS: Final = {
    Doubt.UNMAPPED: "The location is not in the location map. Has the patient left the watched beds?",
    Doubt.SIGNS_ARRIVE: "The hospital reports the discharge, and the monitor still sends. Discharge the patient?",
    Doubt.MOVING: "The hospital reports the transfer, and the monitor of this bed still sends. Transfer now?",
    Doubt.BED_TAKEN: "Another patient has the bed or its monitor. Has that patient left, or is it the same person?",
    Doubt.DIFFERS: "The hospital's word and the ward page differ; the page counts. Do as the hospital says?",
    Doubt.TWO_BEDS: "Two patients in beds are one person by a merge. Discharge the wrong one at the page.",
}


def settle(
    census: Census, beds: Beds, places: LocationMap, signs: LastSign, *, now: int, people: Iterable[str]
) -> Settlement:
    """Decides changes and questions for some patients.

    Args:
        census: Files of all patients.
        beds: Present admissions.
        places: The location map.
        signs: Time of a patient's newest reading.
        now: UTC epoch ms.
        people: Patient ids; all ids of their merges are included.
    """
    step = _Decision(census, beds, places, signs, now)
    groups = sorted({census.group(who) for who in people}, key=min)
    for group in groups:
        step.person(group)
    step.settle_beds()
    return Settlement(tuple(step.changes.values()), tuple(_files(step, groups)))


def _files(step: _Decision, groups: Iterable[frozenset[str]]) -> Iterator[PersonFile]:
    for who in sorted({who for group in groups for who in group} | step.placed):
        old = step.census.file(who)
        placed = step.now if who in step.placed else old.placed
        new = msgspec.structs.replace(old, questions=tuple(step.questions.get(who, ())), placed=placed)
        if new != old:
            yield new


def same_person(question: Question, answer: Answer) -> Movement:
    """Returns the merge that the answer *same* means."""
    return Movement(
        id=f"answer/{question.id}", trigger=Trigger.MERGE, t=answer.t, patient=question.patient, merged=question.other
    )
