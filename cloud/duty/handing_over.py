"""Change of duty: the last contact of a rota that has run out, and the further contacts while one has no proof."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloud.duty.house import House
from vitals.contacts import Contact, DutyRole


def last_on_duty(duties: Iterable[Contact], now: int) -> tuple[Contact, ...]:
    """Returns the contacts of the duties that ended last, up to `now`, UTC epoch ms; each contact once."""
    over = [duty for duty in duties if duty.end <= now]
    end = max((duty.end for duty in over), default=0)
    return tuple({duty.contact: duty for duty in over if duty.end == end}.values())


@dataclass(frozen=True, slots=True)
class Beside:
    """Further contacts of a call.

    Attributes:
        called: Notified as well.
        courtesy: Receive a copy that counts as no notification.
    """

    called: tuple[Contact, ...] = ()
    courtesy: tuple[Contact, ...] = ()


def beside_unproven(house: House, ward: str, called: Sequence[Contact], now: int) -> Beside:
    """Returns the further contacts of a call to `called`, of which some duty has not been proven yet.

    The charge nurse is notified, too, and the contacts of the duty before receive a copy. If neither a contact of
    `called` nor the charge nurse has proven to be reachable, the contacts of the duty before are notified.

    Args:
        house: Present state.
        ward: Ward of the alarm.
        called: Contacts to notify.
        now: UTC epoch ms.
    """
    new = [duty for duty in called if not house.proven(ward, duty)]
    if not new:
        return Beside()
    present = house.on_duty(ward, now)
    known = {duty.contact for duty in called}
    charge = tuple(d for d in present if d.role is DutyRole.CHARGE and d.contact not in known)
    here = {duty.contact for duty in present}
    steps = {duty.step for duty in new}
    earlier = [d for d in house.duties(ward) if d.step in steps and d.contact not in here | known]
    before = last_on_duty(earlier, now)
    if any(house.proven(ward, duty) for duty in (*called, *charge)):
        return Beside(charge, before)
    return Beside((*charge, *before))


def duty_over(house: House, ward: str | None, contact: str, now: int) -> bool:
    """Returns whether a contact of the directory is off duty, so that an answer to an earlier message is void.

    While the alarm's ward has no contact on duty, every notified one may answer; so may a contact of before a duty that
    is not proven yet, if it is called.

    Args:
        house: Present state.
        ward: Ward of the alarm; None for one of the whole site.
        contact: Contact id; one of no directory is a default contact, which has no duties.
        now: UTC epoch ms.
    """
    if house.person(contact) is None:
        return False
    own = house.wards_of(contact)
    if any(not house.on_duty(each, now) for each in ([ward] if ward else own)):
        return False
    for each in own:
        present = house.on_duty(each, now)
        called = (*present, *beside_unproven(house, each, present, now).called)
        if any(duty.contact == contact for duty in called):
            return False
    return True
