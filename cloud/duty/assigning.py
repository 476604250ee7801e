"""Changes of assigned beds, and their present state for people."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.duty.house import House
from vitals.duty import TAKE_MS, Assignments, BedDuty, Takeover


class AssignmentError(ValueError):
    """An assignment names a contact that is not on the ward's rota, or a bed twice at once."""


def assign(house: House, ward: str, duties: Iterable[BedDuty], now: int) -> Assignments:
    """Returns a ward's assignments after new ones.

    A new assignment replaces those of its bed that begin in its time, and ends the one before at its begin.

    Args:
        house: Present state.
        ward: Ward.
        duties: New assignments.
        now: UTC epoch ms; assignments and takeovers that are over by then are dropped.

    Raises:
        AssignmentError: A contact is not on the ward's rota.
    """
    known = house.beds.get(ward) or Assignments(ward=ward, version=0)
    beds = [each for each in known.beds if each.end > now]
    for new in duties:
        _check(house, ward, new.nurse, new.buddy)
        others = [each for each in beds if each.bed != new.bed or each.end <= new.start or each.start >= new.end]
        before = (each for each in beds if each.bed == new.bed and each.start < new.start < each.end)
        beds = [*others, *(replace(each, end=new.start) for each in before), new]
    takes = tuple(take for take in known.takes if take.end > now)
    ordered = tuple(sorted(beds, key=lambda each: (each.bed, each.start)))
    return Assignments(ward=ward, version=max(now, known.version + 1), beds=ordered, takes=takes)


def free(house: House, ward: str, beds: Iterable[str], now: int) -> Assignments:
    """Returns a ward's assignments without those of some beds, which are everybody's from `now` on."""
    known = house.beds.get(ward) or Assignments(ward=ward, version=0)
    freed = set(beds)
    kept = tuple(each for each in known.beds if each.bed not in freed and each.end > now)
    return replace(known, version=max(now, known.version + 1), beds=kept)


def take_over(house: House, ward: str, of: str, by: str, now: int, *, lasts_ms: int = TAKE_MS) -> Assignments:
    """Returns a ward's assignments after a contact takes another one's beds; an earlier takeover of them ends.

    Raises:
        AssignmentError: `by` is not on duty on the ward, or has given the own beds to another contact.
        ValueError: It lasts longer than `TAKE_MS`, or both contacts are one.
    """
    known = house.beds.get(ward) or Assignments(ward=ward, version=0)
    _check(house, ward, of, None)
    if not any(duty.contact == by for duty in house.on_duty(ward, now)):
        raise AssignmentError(f"contact {by} is not on duty on ward {ward}")
    present = [take for take in known.takes if take.end > now and take.of != of]
    if any(take.of == by for take in present):
        raise AssignmentError(f"the beds of {by} are covered by another contact at present")
    made = Takeover(of=of, by=by, start=now, end=now + lasts_ms)
    return replace(known, version=max(now, known.version + 1), takes=(*present, made))


def _check(house: House, ward: str, *contacts: str | None) -> None:
    rota = {duty.contact for duty in house.duties(ward)}
    for contact in contacts:
        if contact is not None and contact not in rota:
            raise AssignmentError(f"contact {contact} is not on the rota of ward {ward}")


@dataclass(frozen=True, slots=True)
class BedView:
    """Contacts of a bed at one time; None for a contact that is not on duty then.

    Attributes:
        bed: Bed.
        nurse: Contact id of the nurse.
        buddy: Contact id of the buddy.
        end: End of the assignment, UTC epoch ms; 0 without one.
        covers: Contact id of the absent nurse during a takeover.
    """

    bed: str
    nurse: str | None
    buddy: str | None
    end: int
    covers: str | None

    @property
    def everybodys(self) -> bool:
        """Returns whether alarms of the bed go to all contacts of the ward's first step."""
        return self.nurse is None and self.buddy is None


def view(house: House, ward: str, beds: Iterable[str], now: int) -> list[BedView]:
    """Returns the contacts of beds at `now`, UTC epoch ms."""
    on_duty = {duty.contact for duty in house.on_duty(ward, now)}
    found = []
    for bed in beds:
        own, duty = house.own_duty(ward, bed, now), house.assigned(ward, bed, now)
        if own is None or duty is None:
            found.append(BedView(bed, None, None, 0, None))
            continue
        nurse = duty.nurse if duty.nurse in on_duty else None
        buddy = duty.buddy if duty.buddy in on_duty else None
        found.append(BedView(bed, nurse, buddy, duty.end, own.nurse if own.nurse != duty.nurse else None))
    return found
