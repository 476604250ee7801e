"""*Not judged* and *not measured*: admitted patients, and sensors of theirs, without usable values. Source: R10.

Both are technical alarms of the patient. They are checked every `LOOK_MS` of log time for all patients at once.

**Not judged, condition.** No usable value for `INTERVALS` cadences (`UNHEARD_LEAST_MS` at least) and `ON_THE_WAY_MS`
more: no reading, or readings in which the device reports every sensor as off. The time counts from the newest value
that had an effect, at first from the admission. Priority medium; high if it is not acknowledged for `UNANSWERED_MS`
(`vitals.engine.timers`). While *vital signs lost* is active and not acknowledged, only the time without a reading
counts.

**Not measured, condition.** A continuous sensor (ECG, oximeter, impedance) has measured before, and none of its signs
has a value for the same time. It does not apply while the patient is not judged or *vital signs lost* is active.
Priority low while ECG, oximeter or a line still measures a pulse, for the page; medium after `SENSOR_WAIT_MS`, and at
once without a pulse. It is medium, too, if a single sign is not measured that was beyond its limits when it went.

**Inhibition.** A stalled pipeline, the patient's gateway or its bridge down and a silent device inhibit both, because
their alarms give more detail. After that, and after log time stood still, the wait starts again.

A *standby* of the patient inhibits both as well, with a wait of its own at the planned end
(`vitals.engine.rules.standby`).

**End.** When the condition is over or inhibited, and at discharge. *Not judged* after a skipped reading ends by
`vitals.engine.rules.skipped_readings`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vitals.alarm_events import AlarmState, Inactivation, Kind, Phase, Priority
from vitals.conditions import priority_of
from vitals.engine.constants import (
    COUNT,
    DEVICE_SILENT,
    GATEWAY_DOWN,
    INTERVALS,
    LOOK_MS,
    LOST,
    MAP,
    NOT_JUDGED,
    ON_THE_WAY_MS,
    SENSOR_WAIT_MS,
    UNHEARD_LEAST_MS,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.rules import standby, technical_alarms
from vitals.engine.state import CADENCE, GONE, HAD, NEWEST, OFF, SEEN, Condition, State
from vitals.engine.state import CUFF as CUFF_INTERVAL
from vitals.signs import SIGNS

SENSORS = {
    sensor: tuple(s for s, sign in enumerate(SIGNS) if sign.sensor == sensor)
    for sensor in ("ecg", "oximeter", "impedance")
}
"""Sensors that measure continuously, with the indices of their signs."""
OF_PULSE = {"ecg", "oximeter"}
NOT_MEASURED = {sensor: f"{sensor}-not-measured" for sensor in SENSORS}
WATCH = frozenset((NOT_JUDGED, *NOT_MEASURED.values()))
_NAMES = {"ecg": "heart rate (ECG)", "oximeter": "SpO2 and pulse (oximeter)", "impedance": "breathing (impedance)"}


def key(patient: str, condition: str) -> str:
    """Returns the key of a patient's alarm in `State.faults`."""
    return f"{patient}.{condition}"


def place(state: State, row: int, patient: str, gateway: str) -> None:
    """Starts to check a patient, from the admission on."""
    state.patients[row], state.gateways[row] = patient, gateway
    if not state.placed[row]:
        state.placed[row] = True
        state.awaited[row] = state.now


def note(state: State, row: int, lapsed: list[int], since: list[int]) -> None:
    """Records since when each sign has had no value, after a reading.

    Args:
        state: The state.
        row: The patient's row.
        lapsed: Per sign, whether it is lost or off.
        since: Per sign, event time of its value before the reading, ms.
    """
    known = state.lapses.get(row)
    if known is None and not any(lapsed):
        return
    now = {s: (known or {}).get(s, since[s]) for s in range(COUNT) if lapsed[s]}
    if now:
        state.lapses[row] = now
    else:
        state.lapses.pop(row, None)


def end(writer: EventWriter, patient: str, why: str) -> None:
    """Ends a patient's *not judged* and *not measured* alarms."""
    for condition in WATCH:
        _end(writer, key(patient, condition), writer.now, f"ended: {why}")


def evaluate(writer: EventWriter) -> None:
    """Checks every patient, once the readings up to now have been evaluated."""
    state = writer.state
    if state.now < state.next_look or not state.now:
        return
    state.next_look = state.now + LOOK_MS
    limits = _limits(state)
    covers = _Covers(state)
    overdue = {}
    for row, since in _overdue(state, limits).items():
        if covers.covers(row):
            # The wait starts again when the inhibiting alarm ends.
            state.covered[row] = state.now
        else:
            overdue[row] = since
            _tell_of(writer, row, since)
    for name, _, row in _standing(state, {NOT_JUDGED}):
        if row not in overdue and row not in state.unjudged:
            why = "covered by another alarm" if row in state.covered else "readings are judged again"
            why = "on standby" if standby.holds(state, row) else why
            _end(writer, name, writer.now, why)
    _sensors(writer, limits, overdue, covers)


def _limits(state: State) -> NDArray[np.int64]:
    """Returns (n,) the time without a reading after which each patient is not judged, ms."""
    cadence = state.pace[: len(state.wards), CADENCE].astype(np.int64)
    limits: NDArray[np.int64] = np.maximum(INTERVALS * cadence, UNHEARD_LEAST_MS) + ON_THE_WAY_MS
    return limits


def _overdue(state: State, limits: NDArray[np.int64]) -> dict[int, int]:
    """Returns the rows of patients that are *not judged*, with the log time since which they are, ms."""
    n = len(limits)
    seen = _heard(state, n)
    # Readings without a usable value are no proof that the patient is monitored. A new table, because one that has
    # shrunk keeps its memory.
    state.awaited = {row: at for row, at in state.awaited.items() if not state.marks[row, HAD].any()}
    since = dict(state.awaited)
    late = state.placed[:n] & (seen > 0) & (state.now - np.maximum(seen, state.resumed) > limits)
    since = {row: int(seen[row]) for row in np.flatnonzero(late).tolist()} | since
    found = {row: _from(state, row, at) + int(limits[row]) for row, at in since.items()}
    for row, kept in state.standbys.items():
        if kept.ended:
            continue
        found.pop(row, None)
        if state.now > kept.until:
            # A reading at the planned end is one cadence and its way late; the longer wait is after an inhibition.
            other = _from(state, row, 0)
            wait = int(state.pace[row, CADENCE]) + ON_THE_WAY_MS
            found[row] = kept.until + wait if other <= kept.until else other + int(limits[row])
    return {row: at for row, at in found.items() if state.now > at}


def _heard(state: State, n: int) -> NDArray[np.int64]:
    """Returns (n,) the event time of each patient's newest usable value, ms; 0 for a patient without a reading."""
    heard: NDArray[np.int64] = np.minimum(state.times[:n, NEWEST].max(axis=1), state.times[:n, SEEN])
    for row, lapses in state.lapses.items():
        if _lost(state, row) and not _arrest_acknowledged(state, row):
            heard[row] = state.times[row, SEEN]
        else:
            # The newest report of a sign that lapsed is no value.
            heard[row] = max(lapses.get(s, t) for s, t in enumerate(state.times[row, NEWEST].tolist()))
    return heard


def _from(state: State, row: int, at: int) -> int:
    """Returns the start of a wait since `at`, or the later time at which the log resumed or an inhibition ended."""
    return max(at, state.resumed, state.covered.get(row, 0))


class _Covers:
    """Active technical alarms that inhibit *not judged*, because they give more detail."""

    def __init__(self, state: State) -> None:
        self._state = state
        faults = state.faults.values()
        told = [c.alarm for c in faults if c.alarm is not None]
        self._silent = {a.patient for a in told if a.condition == DEVICE_SILENT}
        self._down = {a.subject for a in told if a.condition == GATEWAY_DOWN}
        self._stalled = any(a.condition == technical_alarms.PIPELINE_STALLED for a in told)
        self._bridges = any(a.condition == technical_alarms.BRIDGE_DOWN for a in told)

    def covers(self, row: int) -> bool:
        state, gateway = self._state, self._state.gateways[row] or ""
        if self._stalled or gateway in self._down or state.patients[row] in self._silent:
            return True
        return self._bridges and technical_alarms.covered_by_bridge(state, gateway)


def _tell_of(writer: EventWriter, row: int, since: int) -> None:
    state = writer.state
    patient = state.patients[row]
    if patient is None or key(patient, NOT_JUDGED) in state.faults:
        return
    if standby.holds(state, row):
        text = "standby is over and no value arrives: attach the sensors, or set another standby at the bed or the page"
    elif row in state.behind:
        text = "readings come too late to be judged: check the clocks of gateway and device, and the backlog"
    elif row not in state.awaited and row in state.lapses:
        text = "readings arrive without a usable value: every sensor is off or lost, look at the patient"
    elif row not in state.awaited:
        text = "no reading in time: check the clocks of gateway and device, and the line between them"
    elif state.times[row, SEEN]:
        text = "readings arrive without a usable value: check the sensors, and the units that the device sends"
    else:
        text = "no reading since the admission: check the device, its name in the admission, and the admission's start"
    _start(writer, row, NOT_JUDGED, since, text)
    if standby.holds(state, row):
        standby.grow_from_end(state, row, state.faults[key(patient, NOT_JUDGED)])


def _start(  # noqa: PLR0917 - the fields of a patient's alarm
    writer: EventWriter, row: int, condition: str, since: int, text: str, level: int = 0
) -> None:
    state = writer.state
    patient = state.patients[row] or ""
    level = max(level, priority_of(condition))
    c = state.faults[key(patient, condition)] = Condition(-1, -1, on=True, since=since, level=level)
    writer.start(
        c,
        subject=patient,
        condition=condition,
        kind=Kind.TECHNICAL,
        t=writer.now,
        text=text,
        patient=patient,
        ward=state.wards[row],
        gateway=state.gateways[row] or None,
    )


def _standing(state: State, conditions: frozenset[str] | set[str]) -> Iterator[tuple[str, str, int]]:
    """Yields key, condition and row of each active alarm of a patient."""
    for name, c in list(state.faults.items()):
        if c.alarm is not None and c.alarm.condition in conditions and c.alarm.patient is not None:
            row = state.index.get(c.alarm.patient)
            if row is not None:
                yield name, c.alarm.condition, row


def _end(writer: EventWriter, name: str, t: int, why: str) -> None:
    c = writer.state.faults.pop(name, None)
    if c is not None and c.alarm is not None:
        writer.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{c.alarm.condition}: {why}")


def _sensors(writer: EventWriter, limits: NDArray[np.int64], overdue: dict[int, int], covers: _Covers) -> None:
    """Starts and ends *not measured* of each sensor."""
    state = writer.state
    standing = {(row, condition): name for name, condition, row in _standing(state, set(NOT_MEASURED.values()))}
    for row, lapses in list(state.lapses.items()):
        if not state.placed[row] or row in overdue or _lost(state, row) or standby.holds(state, row):
            continue
        if covers.covers(row):
            state.covered[row] = state.now
            continue
        had, gone, off = state.marks[row, HAD], state.marks[row, GONE], state.marks[row, OFF]
        there = {of for of, signs in SENSORS.items() if any(had[s] and not gone[s] and not off[s] for s in signs)}
        # Impedance does not show circulation.
        wait = SENSOR_WAIT_MS if there & OF_PULSE or _line(state, row) else 0
        for sensor, signs in SENSORS.items():
            lapsed = [s for s in signs if s in lapses]
            beyond = _beyond(state, row, lapsed)
            since = _from(state, row, max((lapses[s] for s in lapsed), default=0)) + int(limits[row])
            if (sensor in there and not beyond) or not lapsed or state.now <= since:
                continue
            condition = NOT_MEASURED[sensor]
            level = Priority.MEDIUM if beyond or state.now > since + wait else Priority.LOW
            name = standing.pop((row, condition), None)
            if name is None:
                look = (
                    "is lost while its alarm is active: look at the patient"
                    if beyond
                    else "is not measured: look at the sensor"
                )
                _start(writer, row, condition, since, f"{_NAMES[sensor]} {look}", level)
            else:
                _raise(writer, state.faults[name], level)
    for name in standing.values():
        _end(writer, name, writer.now, "measured again, or told by another alarm")


def _raise(writer: EventWriter, c: Condition, level: Priority) -> None:
    """Raises an alarm's priority; a raised alarm keeps it, also while another sensor measures a pulse again."""
    if level > c.level:
        c.level = level
        writer.step(c, Phase.ESCALATE, t=writer.now, priority=level)


def _line(state: State, row: int) -> bool:
    """Returns whether a line measures pressures now."""
    marks, cadence = state.marks[row], int(state.pace[row, CADENCE])
    there = marks[HAD][MAP] and not marks[GONE][MAP] and not marks[OFF][MAP] and not state.pace[row, CUFF_INTERVAL]
    return bool(there) and state.times[row, SEEN] - state.times[row, NEWEST][MAP] <= INTERVALS * cadence


def _beyond(state: State, row: int, lapsed: list[int]) -> bool:
    """Returns whether one of the signs was beyond its limits when it went."""
    conditions = state.watched.get(row) or ()
    return any(c is not None and c.on for s, c in enumerate(conditions) if s in lapsed)


def _lost(state: State, row: int) -> bool:
    conditions = state.watched.get(row)
    return conditions is not None and (c := conditions[LOST]) is not None and c.on


def _arrest_acknowledged(state: State, row: int) -> bool:
    """Returns whether *vital signs lost* is acknowledged, so that it no longer calls for a patient without values."""
    c = state.watched[row][LOST]
    return c is not None and c.alarm is not None and c.alarm.inactivation is Inactivation.ACKNOWLEDGED
