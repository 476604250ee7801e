"""The alarm engine: readings in, few and true alarm events out. Gateway, cloud and replay run the same engine.

Each function has the state as argument and result. It may change the state in place, so use the returned one.

`now` is log time, ms, the only clock: in the cloud the Kafka timestamp of the newest record read, on a gateway its
clock. Call `advance` at least every 30 s of log time, also without readings. Timers run then, and a jump of more than a
minute counts as a log that stood still.

The rules are described in `vitals.engine.rules` and its modules.
"""

from collections.abc import Collection, Iterable
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.actions import Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, Priority
from vitals.engine import commands
from vitals.engine.batch import evaluate_batch
from vitals.engine.clock_step import rebase
from vitals.engine.constants import HANDOVER_MS, LOST, PROBLEM
from vitals.engine.recovery import restore_reported, tell
from vitals.engine.rollback import Attempt, describe
from vitals.engine.rules import not_judged, skipped_readings, technical_alarms
from vitals.engine.rules.news2_condition import News2Status, standing
from vitals.engine.snapshot import restore, snapshot
from vitals.engine.state import LEVELS, MIND, NOT_CHARTED, OXYGEN, SCORES, PassedOver, Standby, State
from vitals.engine.timers import tick
from vitals.readings import Readings
from vitals.status import Health, Status

Outcome = tuple[State, tuple[AlarmEvent, ...]]


def empty(handover_s: float = HANDOVER_MS / 1000) -> State:
    """Returns a state without patients.

    Args:
        handover_s: Time after which an unacknowledged high alarm passes to the next contact, s.
    """
    return State(round(handover_s * 1000))


def place(state: State, placements: Iterable[DeviceAssignment], now: int, gateway: str = "") -> Outcome:
    """Applies admissions, or changes of cadence, cuff, ward, bed, SpO2 scale and oxygen.

    Args:
        state: The state.
        placements: One assignment for each device.
        now: Log time, ms.
        gateway: Gateway of the devices: while it is down, its alarm inhibits *not judged* of the patients.
    """
    writer = tick(state, now)
    of: dict[str, list[DeviceAssignment]] = {}
    for placement in placements:
        of.setdefault(placement.patient, []).append(placement)
    for patient, own in of.items():
        with Attempt(writer, patient, (patient,)):
            commands.place(writer, own, gateway)
    return state, tell(writer)


def discharge(state: State, patient: str, now: int) -> Outcome:
    """Ends a patient's alarms and removes the patient; readings have no effect until the next admission."""
    writer = tick(state, now)
    with Attempt(writer, patient, (patient,), faults=lambda c: c.alarm is not None and c.alarm.patient == patient):
        commands.discharge(writer, patient)
    return state, tell(writer)


def advance(state: State, readings: Readings, now: int, skip: Collection[int] = ()) -> Outcome:
    """Evaluates readings in arrival order, ignoring unassigned ones; runs timers, also without readings.

    Args:
        state: The state.
        readings: The readings.
        now: Log time, ms.
        skip: Indices of readings that were skipped before; they are skipped again.
    """
    writer = tick(state, now)
    if len(readings):
        evaluate_batch(writer, readings, skip)
    if state.flaps and state.now >= state.next_flap_look:
        with Attempt(writer, "equipment", faults=lambda c: True):
            technical_alarms.look(writer)
    not_judged.evaluate(writer)
    return state, tell(writer)


def act(state: State, action: Action, now: int) -> Outcome:
    """Applies a person's action; one on an unknown or ended alarm, or on another patient's, has no effect."""
    writer = tick(state, now)
    with Attempt(writer, action.patient, (action.patient,), faults=lambda c: True):
        commands.act(writer, action)
    return state, tell(writer)


def report(state: State, status: Status, now: int, *, own: bool = False) -> Outcome:
    """Applies a status of a gateway (with its devices) or a bridge; the order of the log counts, not the status's time.

    Args:
        state: The state.
        status: The status.
        now: Log time, ms.
        own: Whether to emit a gateway's alarms of itself; only for an engine of all gateways.
    """
    writer = tick(state, now)
    patients = [d.patient for d in status.devices if d.patient and d.health is not Health.UP]
    with Attempt(
        writer, status.id, patients, faults=technical_alarms.concerned(status), status=technical_alarms.key(status)
    ):
        technical_alarms.report(writer, status, own=own)
    return state, tell(writer)


def retire(state: State, name: str, now: int) -> Outcome:
    """Removes a gateway or bridge that was retired, and ends the alarms because of it."""
    writer = tick(state, now)
    with Attempt(writer, name, faults=lambda c: True):
        technical_alarms.retire(writer, name)
    return state, tell(writer)


def disputed(state: State, faults: Iterable[technical_alarms.TechnicalCondition], now: int) -> Outcome:
    """Applies the list of all beds and devices that two admissions claim; a dispute that is not listed ends."""
    writer = tick(state, now)
    with Attempt(writer, "beds", faults=lambda c: True):
        technical_alarms.disputed(writer, list(faults))
    return state, tell(writer)


def stalled(state: State, since: int | None, now: int) -> Outcome:
    """Starts *pipeline stalled* (`since`, ms), or ends it (None); only the watchdog, which has a wall clock, calls it.

    Log time does not advance in between, so `now` is the last log time; at the end it is the first new one.
    """
    writer = tick(state, now)
    with Attempt(writer, technical_alarms.PIPELINE, faults=lambda c: True):
        technical_alarms.stalled(writer, since)
    return state, tell(writer)


def pass_over(state: State, patient: str, ward: str | None, t: int, now: int) -> Outcome:
    """Records that a record of a patient was skipped, and starts *not judged*.

    Args:
        state: The state.
        patient: Patient id.
        ward: Ward, if the record names it.
        t: Time of the record, UTC epoch ms.
        now: Log time, ms.
    """
    writer = tick(state, now)
    if patient not in state.left:
        row = state.row(patient)
        state.wards[row] = ward or state.wards[row]
        skipped_readings.note(writer, row, {"patient": patient, "ward": state.wards[row]}, t)
    return state, tell(writer)


def take_passed_over(state: State) -> list[PassedOver]:
    """Returns and clears the list of inputs that were skipped since the last call."""
    found, state.passed_over = state.passed_over, []
    return found


def active(state: State) -> tuple[AlarmEvent, ...]:
    """Returns the last event of every alarm that has not ended, latched ones included, by start and id."""
    events = (c.alarm for c in state.alarms.values() if c.alarm is not None)
    return tuple(sorted(events, key=lambda e: (e.start, e.id)))


def score(state: State, patient: str, now: int) -> News2Status | None:
    """Returns a patient's NEWS2 with the age of each input; None for an unknown patient, or one without NEWS2."""
    row = state.index.get(patient)
    if row is None or not state.marks[row, SCORES]:
        return None
    return standing(now, state.marks[row].tolist(), state.pace[row].tolist())


def charted(state: State, patient: str) -> tuple[bool, str | None]:
    """Returns whether a patient breathes supplemental oxygen, and A, C, V, P, U or, if never charted, None."""
    row = state.index.get(patient)
    if row is None:
        return False, None
    mind = int(state.marks[row, MIND])
    return bool(state.marks[row, OXYGEN]), None if mind == NOT_CHARTED else LEVELS[mind]


def standby(state: State, patient: str) -> Standby | None:
    """Returns a patient's standby; None without one. Its `until` may have passed: the patient is then *not judged*."""
    kept = state.standbys.get(state.index.get(patient, -1))
    return None if kept is None or kept.ended else kept


def standbys(state: State) -> dict[str, Standby]:
    """Returns the standbys of all patients, as `standby` has them."""
    if not state.standbys:
        return {}
    names = {row: patient for patient, row in state.index.items() if row in state.standbys}
    return {names[row]: kept for row, kept in state.standbys.items() if not kept.ended}


def rows(state: State, readings: Readings) -> NDArray[np.int64]:
    """Returns (n,) the row of each reading's patient, -1 without one; a row stays the patient's until discharge."""
    patients = readings.patient.tolist()
    return np.fromiter(map(state.index.get, patients, repeat(-1)), dtype=np.int64, count=len(patients))


def pending(state: State, patient: str) -> bool:
    """Returns whether a sign is pending or active, or vital signs are lost: readings are then of interest at once."""
    conditions = state.watched.get(state.index.get(patient, -1))
    if conditions is None:
        return False
    return any(c is not None and (c.on or c.pend > 0 or c.doubt != 0) for c in conditions[: LOST + 1])


class Awaited(NamedTuple):
    """Values that may begin or raise an alarm of a patient.

    Attributes:
        limits: (signs,) a value beyond the limit may begin it.
        extremes: (signs,) a value beyond the extreme limit may raise it.
        lost: The loss of vital signs is pending: a reading without values may begin it.
    """

    limits: tuple[bool, ...]
    extremes: tuple[bool, ...]
    lost: bool


def awaited(state: State, patients: Iterable[str]) -> dict[str, Awaited]:
    """Returns the values that may begin or raise an alarm of each patient with a condition that is not idle."""
    found = {}
    for patient in patients:
        conditions = state.watched.get(state.index.get(patient, -1))
        if conditions is not None:
            problems = [conditions[problem] for problem in PROBLEM]
            lost = conditions[LOST]
            found[patient] = Awaited(
                tuple(c is not None and not c.on and (c.pend > 0 or c.doubt != 0) for c in problems),
                tuple(c is not None and c.on and c.level != Priority.HIGH for c in problems),
                lost is not None and lost.pend > 0,
            )
    return found


__all__ = [
    "Awaited",
    "News2Status",
    "Outcome",
    "PassedOver",
    "Standby",
    "State",
    "act",
    "active",
    "advance",
    "awaited",
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
    "standby",
    "standbys",
    "take_passed_over",
]
