"""A bed on the ward page: pure functions from admission, state and alarms to JSON for the browser."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from cloud.alarm.equipment_alarms import HEARD
from cloud.alarm.query.answers import PatientNow, StandbyNow
from cloud.console.live.alarm_state import AlarmStateSnapshot
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Kind
from vitals.engine.constants import BY_WARD, DEVICE_SILENT, GATEWAY_DOWN, GATEWAY_UNSTABLE
from vitals.engine.rules.technical_alarms import BRIDGE_DOWN
from vitals.incidents import problem_of
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.signs import INDEX

logger = logging.getLogger("console")


def age_years(born: str, now: int) -> int | None:
    """Returns a person's age at `now`, UTC epoch ms; None if the date of birth is invalid."""
    try:
        birth = date.fromisoformat(born)
    except ValueError:
        return None
    day = datetime.fromtimestamp(now / 1000, UTC).date()
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def alarm(event: AlarmEvent, pauses: Mapping[str, int]) -> dict[str, Any]:
    """Returns an alarm for the browser; `pauses` has the end of each audio pause by alarm, UTC epoch ms."""
    return {
        "id": event.id,
        "n": event.n,
        "condition": event.condition,
        "kind": event.kind.value,
        "priority": int(event.priority),
        "state": event.state.value,
        "inactivation": event.inactivation.value,
        "start": event.start,
        "text": event.text,
        "limit": event.limit,
        "side": event.side,
        "by": event.by,
        "handover": event.handover,
        "coming": event.coming or None,
        "incident": event.incident,
        "problem": problem_of(event),
        "log_t": event.log_t,
        "answerable": event.condition not in HEARD,
        "paused_until": pauses.get(event.id) if event.inactivation.value == "audio-paused" else None,
    }


def concerns(event: AlarmEvent, admission: Admission) -> bool:
    """Returns whether an alarm belongs on a patient's tile: the patient's, their device's, or their gateway's."""
    if event.kind is Kind.PHYSIOLOGICAL or event.patient is not None:
        return event.patient == admission.patient
    if event.condition in {GATEWAY_DOWN, GATEWAY_UNSTABLE}:
        return event.subject == admission.gateway and event.ward in {None, admission.ward}
    return event.device in admission.devices or event.subject in admission.devices


def tile(
    admission: Admission,
    seen: PatientNow | None,
    alarms: Iterable[AlarmEvent],
    pauses: Mapping[str, int],
    now: int,
    *,
    standby: StandbyNow | None = None,
) -> dict[str, Any]:
    """Returns one bed for the browser; it contains times, never ages, so that it changes only with data."""
    signs = {
        field: [sign.value, sign.t, sign.breach, sign.suspect]
        for field, sign in (seen.signs if seen else {}).items()
        if field in INDEX and sign.value is not None
    }
    own = sorted((e for e in alarms if concerns(e, admission)), key=lambda e: (-e.priority, e.start))
    score = seen.news2 if seen else None
    return {
        "patient": admission.patient,
        "bed": admission.bed,
        "name": admission.name,
        "age": age_years(admission.born, now),
        "cadence_s": admission.cadence_s,
        "canary": admission.canary,
        "t": seen.t if seen else 0,
        "since": admission.since,
        "signs": signs,
        "news2": score and msgspec.to_builtins(score),
        "scale2": admission.scale2,
        "oxygen": seen.oxygen if seen else admission.oxygen,
        "consciousness": seen.consciousness if seen else None,
        "alarms": [alarm(event, pauses) for event in own],
        "standby": standby and {"until": standby.until, "by": standby.by},
    }


def ward_tiles(
    admissions: Sequence[Admission], sight: AlarmStateSnapshot, pauses: Mapping[str, int], now: int
) -> dict[str, dict[str, Any]]:
    """Returns the tiles of a ward's admissions, by patient."""
    by_patient: dict[str, list[AlarmEvent]] = {a.patient: [] for a in admissions}
    equipment: list[AlarmEvent] = []
    for event in sight.alarms:
        if event.patient is None:
            equipment.append(event)
        elif event.patient in by_patient:
            by_patient[event.patient].append(event)
    return {
        a.patient: _shown(
            a,
            sight.patients.get(a.patient),
            (*by_patient[a.patient], *equipment),
            pauses,
            now,
            standby=sight.standbys.get(a.patient),
        )
        for a in admissions
    }


def _shown(
    admission: Admission,
    seen: PatientNow | None,
    alarms: Sequence[AlarmEvent],
    pauses: Mapping[str, int],
    now: int,
    *,
    standby: StandbyNow | None,
) -> dict[str, Any]:
    """Returns a bed's tile; if its values cannot be rendered, a tile without values, with its alarms."""
    try:
        return tile(admission, seen, alarms, pauses, now, standby=standby)
    except NOT_CAUSED_BY_INPUT:
        raise
    except Exception:
        logger.exception(
            "bed %s of ward %s cannot be rendered; it is shown without values", admission.bed, admission.ward
        )
        return tile(admission, None, alarms, pauses, now, standby=standby)


def _is_whole(event: AlarmEvent, gateways: Collection[str]) -> bool:
    """Returns whether an alarm is of one of a ward's gateways and not already raised for each ward."""
    return event.subject in gateways and event.condition not in BY_WARD


def ward_alarms(
    ward: str, gateways: Iterable[str], sight: AlarmStateSnapshot, pauses: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Returns equipment alarms to show above the beds: site-wide ones and those of the ward's gateways."""
    own = set(gateways)
    shown = [
        event
        for event in sight.alarms
        if event.patient is None
        and event.kind is Kind.TECHNICAL
        and event.condition != DEVICE_SILENT
        and (event.condition == BRIDGE_DOWN or event.ward in {None, ward} or _is_whole(event, own))
        and (event.device is None)
    ]
    return [alarm(event, pauses) for event in sorted(shown, key=lambda e: (-e.priority, e.start))]
