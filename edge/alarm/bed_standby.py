"""Standby at the bed: a press becomes a person's action, which the gateway's own engine applies at once.

The planned end is in the action, so gateway and cloud agree on it whenever the uplink returns. After a restart the
action of a standby that lasts is sent again: the queue of side messages is not stored, the engine's state is.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from edge.ingest.roster import AssignmentTable
from vitals import engine
from vitals.actions import MAX_STANDBY_S, MIN_STANDBY_S, Act, Action
from vitals.admissions import DeviceAssignment
from vitals.bounds import digits

USUAL_S: Final = 1_200
"""Length of a standby by a press that states none."""


class Countdown(NamedTuple):
    """A standby as a light shows it.

    Attributes:
        until: Its planned end, UTC epoch ms.
        by: Name of the person.
    """

    until: int
    by: str


def pressed(assignments: AssignmentTable, bed: str, payload: bytes, action_id: str, now: int) -> Action | None:
    """Returns the action of a press.

    Args:
        assignments: Roster in force.
        bed: Name of the bed's light and button.
        payload: Minutes as decimal digits; empty for `USUAL_S`, 0 to end the standby.
        action_id: Id for the action.
        now: UTC epoch ms.

    Returns:
        The action; None if the bed has not exactly one patient, or the length is none of a standby.
    """
    here = {p.patient: p for p in assignments.by_device.values() if assignments.light(p) == bed}
    minutes = digits(payload.decode(errors="replace").strip(), MAX_STANDBY_S // 60) if payload else USUAL_S // 60
    if len(here) != 1 or minutes is None or 0 < minutes < MIN_STANDBY_S // 60:
        return None
    (placement,) = here.values()
    return _action(placement, f"bed {bed}", action_id, now, 60 * minutes)


def again(state: engine.State, assignments: AssignmentTable) -> Iterator[Action]:
    """Yields the actions of standbys that began at a bed and last."""
    for patient, kept in engine.standbys(state).items():
        placement = assignments.of_patient(patient)
        if placement is not None and kept.by == f"bed {assignments.light(placement)}" and state.now < kept.until:
            yield _action(placement, kept.by, kept.id, kept.t, (kept.until - kept.t) // 1000)


def countdowns(state: engine.State, assignments: AssignmentTable) -> dict[str, Countdown]:
    """Returns the standbys by light, those included that are over without a value of the patient."""
    return {
        assignments.light(placement): Countdown(kept.until, kept.by)
        for patient, kept in engine.standbys(state).items()
        if (placement := assignments.of_patient(patient)) is not None
    }


def _action(placement: DeviceAssignment, by: str, action_id: str, t: int, length_s: int) -> Action:
    patient, bed = placement.patient, placement.bed
    if not length_s:
        return Action(id=action_id, act=Act.STANDBY_END, patient=patient, bed=bed, t=t, by=by)
    return Action(id=action_id, act=Act.STANDBY, patient=patient, bed=bed, t=t, by=by, pause_s=length_s)
