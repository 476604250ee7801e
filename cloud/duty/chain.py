"""Order in which contacts are called: the contacts of the bed, then the ward's steps.

- A patient in an assigned bed: the bed's nurse; with the first handover the buddy; then the charge nurse; then the
  ward's steps. Of these, contacts who are not on duty or do not want this priority are left out.
- Equipment without a patient: the charge nurse, then the ward's steps; but a stalled pipeline, for which no handover
  follows, goes to the ward's steps at once.
- Everything else: the ward's steps. So an unassigned bed is everybody's.

A contact in `declined` is passed over. Beyond the last level a high alarm is sent to it with one in `LAST_EVERY`
handovers.
"""

from collections.abc import Sequence
from typing import Final

from vitals.alarm_events import AlarmEvent, Call, Kind, Phase, Priority
from vitals.contacts import Contact, DutyRole
from vitals.duty import BedDuty
from vitals.engine.rules.technical_alarms import PIPELINE_STALLED

LAST_EVERY: Final = 5
"""Beyond the last level, one in this many handovers of a high alarm is sent: each ten minutes."""
Level = tuple[Contact, ...]


def levels(event: AlarmEvent, present: Sequence[Contact], bed: BedDuty | None) -> list[Level]:
    """Returns the levels of handover of an event, each with one contact at least.

    Args:
        event: The event.
        present: Contacts on duty on the ward.
        bed: Assignment of the patient's bed.
    """
    wanting = [duty for duty in present if event.priority >= duty.priority]
    charge = tuple(duty for duty in wanting if duty.role is DutyRole.CHARGE)
    first: list[Level] = []
    if bed is not None:
        first = [_of(wanting, bed.nurse), _of(wanting, bed.buddy)]
    equipment = event.kind is Kind.TECHNICAL and event.patient is None and event.condition != PIPELINE_STALLED
    if any(first) or equipment:
        asked = {duty.contact for level in first for duty in level}
        first.append(tuple(duty for duty in charge if duty.contact not in asked))
    return [*(level for level in first if level), *_steps(wanting)]


def _of(wanting: Sequence[Contact], contact: str | None) -> Level:
    return next(((duty,) for duty in wanting if duty.contact == contact), ())


def _steps(wanting: Sequence[Contact]) -> list[Level]:
    """Returns the ward's steps; a step without a contact repeats the one before, and the first contact may be later."""
    by_step = {step: tuple(d for d in wanting if d.step == step) for step in sorted({d.step for d in wanting})}
    found: list[Level] = []
    for step in range(max(by_step, default=-1) + 1):
        earlier = found[-1] if found else by_step[min(by_step)]
        found.append(by_step.get(step) or earlier)
    return found


def called(event: AlarmEvent, chain: Sequence[Level]) -> Level | None:
    """Returns the contacts to notify of an event; empty for a handover that is not sent, None if all declined."""
    # A reminder is for the first contact, however often the alarm was handed over.
    handover = 0 if event.call is Call.REMINDER else event.handover
    last = len(chain) - 1
    declined = event.phase is Phase.CONTINUE and event.by is not None
    if event.priority is Priority.HIGH and handover > last and (handover - last) % LAST_EVERY and not declined:
        return ()
    begin = min(handover, last)
    for level in (*chain[begin:], *reversed(chain[:begin])):
        willing = tuple(duty for duty in level if duty.contact not in event.declined)
        if willing:
            return willing
    return None if chain else ()
