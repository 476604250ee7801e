"""Movements to wishes: the place of each stay by its messages.

The result depends on the set of movements and not on the order in which they arrived.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.admissions.adt.records import Movement, Trigger

STARTS = frozenset((Trigger.ADMIT, Trigger.REGISTER))


@dataclass(frozen=True, slots=True)
class Wish:
    """Place of one stay by its messages.

    Attributes:
        stay: Patient id of the stay.
        location: Location; None if the patient has left.
        by: Movement that decided it.
        update: Newer update (A08) with another location, which moves no patient by itself.
    """

    stay: str
    location: str | None
    by: Movement
    update: Movement | None = None


@dataclass(slots=True)
class _Stay:
    trail: list[str]
    by: Movement
    gone: bool = False
    update: Movement | None = None


@dataclass(slots=True)
class _Fold:
    """Stays by patient id, and survivors of merges."""

    stays: dict[str, _Stay] = field(default_factory=dict)
    into: dict[str, str] = field(default_factory=dict)

    def survivor(self, patient: str) -> str:
        seen = {patient}
        while (following := self.into.get(patient)) is not None and following not in seen:
            seen.add(following)
            patient = following
        return patient

    def owner(self, patient: str) -> str:
        """Returns the id of the stay of a message of `patient`; a present stay has precedence."""
        own = self.stays.get(patient)
        if own is not None and not own.gone:
            return patient
        survivor = self.survivor(patient)
        same = [s for s in self.stays if self.survivor(s) == survivor]
        present = [s for s in same if not self.stays[s].gone]
        if present:
            return max(present, key=lambda s: self.stays[s].by.rank)
        return max(same, key=lambda s: self.stays[s].by.rank) if same else survivor

    def take(self, m: Movement) -> None:
        if m.trigger is Trigger.MERGE:
            if self.survivor(m.patient) != m.merged:
                self.into[m.merged] = m.patient
            return
        who = self.owner(m.patient)
        stay = self.stays.get(who)
        if stay is not None and stay.gone and m.trigger is not Trigger.CANCEL_DISCHARGE:
            # A new stay of a merged id has the id that is left.
            who = self.survivor(m.patient)
            stay = self.stays.get(who)
        if m.trigger is Trigger.UPDATE:
            if stay is not None and not stay.gone and m.location:
                stay.update = m if m.location != stay.trail[-1] else None
            return
        if m.trigger in {Trigger.DISCHARGE, Trigger.CANCEL_ADMIT}:
            if stay is None:
                self.stays[who] = _Stay([""], m, gone=True)
            else:
                stay.gone, stay.by, stay.update = True, m, None
            return
        self._place(who, stay, m)

    def _place(self, who: str, stay: _Stay | None, m: Movement) -> None:
        if m.trigger in STARTS and not m.location:
            # Without a location there is no bed to watch: an outpatient, or a bed that a transfer names later.
            return
        trail = [] if stay is None or m.trigger in STARTS or (stay.gone and m.trigger is not Trigger.CANCEL_DISCHARGE) \
            else list(stay.trail)  # fmt: skip
        if m.trigger is Trigger.CANCEL_TRANSFER and len(trail) > 1:
            trail.pop()
        if m.location and trail[-1:] != [m.location]:
            trail.append(m.location)
        if trail:
            self.stays[who] = _Stay(trail, m)


def wishes(movements: Iterable[Movement]) -> tuple[Wish, ...]:
    """Returns the wish of each stay of one person, by stay.

    Args:
        movements: Movements of the person under all ids, in their order.
    """
    folded = _Fold()
    for movement in movements:
        folded.take(movement)
    return tuple(
        Wish(who, None if stay.gone else stay.trail[-1], stay.by, stay.update)
        for who, stay in sorted(folded.stays.items())
    )


def demographics(movements: Iterable[Movement]) -> Movement | None:
    """Returns the newest movement with a name, of movements in their order."""
    found = None
    for movement in movements:
        if movement.name:
            found = movement
    return found
