"""The alarm engine: readings in, few and true alarm events out, for gateway, cloud and replay alike.

Every function takes the state and returns it; the state may be changed in place, so always go on with the returned one.
`now` is log time, ms: in the cloud the Kafka timestamp of what was read last, on a gateway its clock. It is the only
clock. Call `advance` at least every 30 s of it, without readings too: timers act then, and a longer jump than a minute
is taken for a log that stood still. The rules are told, one by one, in :mod:`tests.vitals.reference_engine`.
"""

from collections.abc import Collection, Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from vitals.actions import Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent
from vitals.engine import commands
from vitals.engine.batch import evaluate_batch
from vitals.engine.clock_step import rebase
from vitals.engine.recovery import restore_reported, tell
from vitals.engine.rollback import Attempt, describe
from vitals.engine.rules import not_judged, skipped_readings, technical_alarms
from vitals.engine.rules.constants import HANDOVER_MS, LOST
from vitals.engine.rules.news2_condition import News2Status, standing
from vitals.engine.snapshot import restore, snapshot
from vitals.engine.state import LEVELS, MIND, NOT_CHARTED, OXYGEN, SCORES, PassedOver, State
from vitals.engine.timers import tick
from vitals.readings import Readings
from vitals.status import Health, Status

Outcome = tuple[State, tuple[AlarmEvent, ...]]


def empty(handover_s: float = HANDOVER_MS / 1000) -> State:
    """Returns a state that knows nobody.

    Args:
        handover_s: After how long an unacknowledged high alarm passes to the next contact, s.
    """
    return State(round(handover_s * 1000))


def place(state: State, placements: Iterable[DeviceAssignment], now: int, gateway: str = "") -> Outcome:
    """Takes in new patients, or changes of cadence, cuff, ward, bed, SpO2 scale and oxygen; one per device.

    Args:
        state: The state.
        placements: They.
        now: Log time, ms.
        gateway: Gateway of their devices: while it is down, its alarm covers that they are not judged.
    """
    scribe = tick(state, now)
    of: dict[str, list[DeviceAssignment]] = {}
    for placement in placements:
        of.setdefault(placement.patient, []).append(placement)
    for patient, own in of.items():
        with Attempt(scribe, patient, (patient,)):
            commands.place(scribe, own, gateway)
    return state, tell(scribe)


def discharge(state: State, patient: str, now: int) -> Outcome:
    """Ends a patient's alarms and forgets the patient; their readings concern nobody until they are placed again."""
    scribe = tick(state, now)
    with Attempt(scribe, patient, (patient,), faults=lambda c: c.alarm is not None and c.alarm.patient == patient):
        commands.discharge(scribe, patient)
    return state, tell(scribe)


def advance(state: State, readings: Readings, now: int, skip: Collection[int] = ()) -> Outcome:
    """Judges readings in arrival order; without any, time passes and timers act. Unassigned ones are passed over.

    Args:
        state: The state.
        readings: They.
        now: Log time, ms.
        skip: Places of readings that raised when they first came: they are passed over again.
    """
    scribe = tick(state, now)
    if len(readings):
        evaluate_batch(scribe, readings, skip)
    not_judged.evaluate(scribe)
    return state, tell(scribe)


def act(state: State, action: Action, now: int) -> Outcome:
    """Does what a person did; an unknown or ended alarm, or another patient's, changes nothing and gives no event."""
    scribe = tick(state, now)
    with Attempt(scribe, action.patient, (action.patient,), faults=lambda c: True):
        commands.act(scribe, action)
    return state, tell(scribe)


def report(state: State, status: Status, now: int, *, own: bool = False) -> Outcome:
    """Takes in how a gateway (with its devices) or a bridge is; what comes last counts, whatever its time says.

    Args:
        state: The state.
        status: How it is.
        now: Log time, ms.
        own: Whether to tell what a gateway alarms of itself; only where one engine sees all gateways.
    """
    scribe = tick(state, now)
    patients = [d.patient for d in status.devices if d.patient and d.health is not Health.UP]
    with Attempt(
        scribe, status.id, patients, faults=technical_alarms.concerned(status), status=technical_alarms.key(status)
    ):
        technical_alarms.report(scribe, status, own=own)
    return state, tell(scribe)


def retire(state: State, name: str, now: int) -> Outcome:
    """Forgets a gateway or bridge that is gone for good, and ends the alarms that stand because of it."""
    scribe = tick(state, now)
    with Attempt(scribe, name, faults=lambda c: True):
        technical_alarms.retire(scribe, name)
    return state, tell(scribe)


def disputed(state: State, faults: Iterable[technical_alarms.TechnicalCondition], now: int) -> Outcome:
    """Takes in every bed and device that two admissions claim now; what is not among them is settled."""
    scribe = tick(state, now)
    with Attempt(scribe, "beds", faults=lambda c: True):
        technical_alarms.disputed(scribe, list(faults))
    return state, tell(scribe)


def stalled(state: State, since: int | None, now: int) -> Outcome:
    """Begins *pipeline stalled* (`since`, ms), or ends it (None); for the watchdog, which alone has a wall clock.

    Log time stands still meanwhile, so `now` is the last log time; at the end, the first new one.
    """
    scribe = tick(state, now)
    with Attempt(scribe, technical_alarms.PIPELINE, faults=lambda c: True):
        technical_alarms.stalled(scribe, since)
    return state, tell(scribe)


def pass_over(state: State, patient: str, ward: str | None, t: int, now: int) -> Outcome:
    """Tells that something of a patient was passed over, so that they are not judged as they should be.

    Args:
        state: The state.
        patient: Whose it was.
        ward: Their ward, where it says so.
        t: When it was written, UTC epoch ms.
        now: Log time, ms.
    """
    scribe = tick(state, now)
    if patient not in state.left:
        row = state.row(patient)
        state.wards[row] = ward or state.wards[row]
        skipped_readings.note(scribe, row, {"patient": patient, "ward": state.wards[row]}, t)
    return state, tell(scribe)


def take_passed_over(state: State) -> list[PassedOver]:
    """Returns, and forgets, what could not be applied since the last call."""
    found, state.passed_over = state.passed_over, []
    return found


def active(state: State) -> tuple[AlarmEvent, ...]:
    """Returns the last event of every alarm that has not ended, latched ones included, by start and id."""
    events = (c.alarm for c in state.alarms.values() if c.alarm is not None)
    return tuple(sorted(events, key=lambda e: (e.start, e.id)))


def score(state: State, patient: str, now: int) -> News2Status | None:
    """Returns a patient's NEWS2 with the age of each input; None for a patient who is unknown or not scored."""
    row = state.index.get(patient)
    if row is None or not state.marks[row, SCORES]:
        return None
    return standing(now, state.marks[row].tolist(), state.pace[row].tolist())


def charted(state: State, patient: str) -> tuple[bool, str | None]:
    """Returns whether a patient breathes supplemental oxygen, and A, C, V, P, U or None when that was never charted."""
    row = state.index.get(patient)
    if row is None:
        return False, None
    mind = int(state.marks[row, MIND])
    return bool(state.marks[row, OXYGEN]), None if mind == NOT_CHARTED else LEVELS[mind]


def rows(state: State, readings: Readings) -> NDArray[np.int64]:
    """Returns (n,) the row of each reading's patient, -1 for nobody; a row is its patient's until their discharge."""
    patients = readings.patient.tolist()
    return np.fromiter(map(state.index.get, patients, repeat(-1)), dtype=np.int64, count=len(patients))


def pending(state: State, patient: str) -> bool:
    """Whether a sign of the patient is pending or out of limits, or vital signs are lost: send readings at once."""
    conditions = state.watched.get(state.index.get(patient, -1))
    if conditions is None:
        return False
    return any(c is not None and (c.on or c.pend > 0 or c.doubt != 0) for c in conditions[: LOST + 1])


__all__ = [
    "News2Status",
    "Outcome",
    "PassedOver",
    "State",
    "act",
    "active",
    "advance",
    "charted",
    "describe",
    "discharge",
    "empty",
    "pass_over",
    "pending",
    "place",
    "rebase",
    "report",
    "restore",
    "restore_reported",
    "retire",
    "rows",
    "score",
    "snapshot",
    "stalled",
    "take_passed_over",
]
