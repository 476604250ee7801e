"""Requests for a proof at the begin of a duty: their ids, and the duties that need one."""

from collections.abc import Iterator
from typing import Final

from cloud.duty.house import House
from vitals.alarm_events import AlarmEvent, Kind, Priority, started
from vitals.contacts import Contact

CONDITION: Final = "duty-proof"
"""Condition of the event behind a request. It is in no topic `alarms`: a request is no alarm."""


def request_of(ward: str, duty: Contact, now: int) -> AlarmEvent:
    """Returns the event of a request; its id is the same for all duties of a contact with one begin."""
    text = "Confirm that messages arrive."
    return started(
        duty.contact, CONDITION, Kind.TECHNICAL, Priority.MEDIUM, start=duty.start, now=now, text=text, ward=ward
    )


def unproven(house: House, now: int) -> Iterator[tuple[str, Contact]]:
    """Yields ward and duty of each contact on duty without a proof, on wards that want one."""
    for ward, rota in house.rotas.items():
        if rota.proof:
            yield from ((ward, duty) for duty in house.on_duty(ward, now) if not house.proven(ward, duty))


def ids(house: House, now: int) -> set[str]:
    """Returns the ids of the requests of the duties at `now`, UTC epoch ms.

    A link of an earlier duty must not prove a later one, for which no message may have arrived.
    """
    wards = [ward for ward, rota in house.rotas.items() if rota.proof]
    return {request_of(ward, duty, now).id for ward in wards for duty in house.on_duty(ward, now)}
