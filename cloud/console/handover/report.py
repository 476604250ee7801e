"""The report of a patient: joins history, log and present state. Pure."""

from collections.abc import Sequence
from typing import Final

from cloud.alarm.query.answers import News2Now
from cloud.console.handover.contents import History, PatientReport, Present
from cloud.console.handover.due import observation, unacknowledged
from cloud.console.handover.entries import limit_changes, sign_rows, standbys
from cloud.console.handover.incident_lines import incident_lines
from cloud.console.handover.measured import HOUR_MS, consciousness_at, course, extremes, gaps, stay_begin
from cloud.console.live.ward_view import concerns
from cloud.console.ward_rows import MINUTE_MS, WardRows
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.contacts import Notification

LAG_MS: Final = 300_000
"""The warehouse is usually a minute or two behind; a longer time is shown on the page."""


def known_until(rows: WardRows, admissions: Sequence[Admission], present: Present) -> int:
    """Returns the time until which the warehouse has the ward's readings, UTC epoch ms.

    It is now, if the alarm engine has no later reading than the warehouse: then there is none.
    """
    loaded = max((of[-1].t + MINUTE_MS for of in rows.minutes.values() if of), default=0)
    heard = max((present.patients[a.patient].t for a in admissions if a.patient in present.patients), default=0)
    return min(loaded, present.now) if present.down or heard > loaded else present.now


def patient_report(
    admission: Admission, nurse: str, rows: WardRows | None, present: Present, *, begin: int, until: int
) -> PatientReport:
    """Returns the report of one patient.

    Args:
        admission: Present admission.
        nurse: Name of the bed's nurse.
        rows: History; None without the warehouse.
        present: State and log.
        begin: Begin of the reported time, UTC epoch ms.
        until: Time until which the history is known, UTC epoch ms.
    """
    patient, now = admission.patient, present.now
    versions = rows.versions.get(patient, ()) if rows else ()
    stay = stay_begin(versions, admission)
    begin = max(begin, stay)
    seen = present.patients.get(patient)
    minutes = [m for m in rows.minutes.get(patient, ()) if m.t + MINUTE_MS > stay] if rows else []
    acts = [a for a in _acts(rows, present, admission) if a.t >= stay]
    events = [e for e in (*(rows.events if rows else ()), *present.events) if e.patient == patient and e.log_t >= begin]
    # Alarms of a gateway are above all patients.
    active = [e for e in present.alarms if concerns(e, admission) and (e.patient is not None or e.device is not None)]
    history = None
    if rows is not None:
        times = [*range(begin + HOUR_MS, until, HOUR_MS), until] if until > begin else []
        history = History(
            begin=begin,
            course=tuple(course(minutes, versions, admission, acts, times)),
            gaps=tuple(gaps(minutes, begin, until, admission.cadence_s)) if until > begin else (),
            changes=tuple(limit_changes([*versions, *_newer(versions, admission)], begin)),
            standbys=tuple(standbys(acts, begin)),
        )
    score = seen.news2 if seen else None
    charted = consciousness_at(acts, now)[1] or _charted(score, now)
    found = extremes(minutes, begin) if rows else None
    return PatientReport(
        admission=admission,
        nurse=nurse,
        seen=seen,
        score=score,
        signs=tuple(sign_rows(admission, seen, found, present)),
        incidents=tuple(
            incident_lines(events, _messages(rows, present, admission), acts, None if present.down else active)
        ),
        history=history,
        waiting=tuple(unacknowledged(active)),
        observation=observation(score, charted),
        standby=present.standbys.get(patient),
    )


def _newer(versions: Sequence[tuple[int, Admission]], admission: Admission) -> list[tuple[int, Admission]]:
    """Returns the present version if the warehouse does not have it yet; its number is the time of the change."""
    known = versions[-1][1].version if versions else admission.version
    return [(admission.version, admission)] if admission.version > known else []


def _charted(score: News2Now | None, now: int) -> int:
    """Returns the last charting as the alarm engine knows it, UTC epoch ms; 0 without one."""
    age = score.ages_s.get("consciousness") if score else None
    return 0 if age is None else now - 1000 * age


def _acts(rows: WardRows | None, present: Present, admission: Admission) -> list[Action]:
    """Returns the actions on a patient and their devices, of warehouse and log, each once, oldest first."""
    of = (admission.patient, *admission.devices)
    joined = {a.id: a for a in (*(rows.actions if rows else ()), *present.acts) if a.patient in of}
    return sorted(joined.values(), key=lambda a: (a.t, a.id))


def _messages(rows: WardRows | None, present: Present, admission: Admission) -> list[Notification]:
    """Returns the messages about a patient and their devices, of warehouse and log, each state once, oldest first."""
    of = (admission.patient, *admission.devices)
    both = (*(rows.messages if rows else ()), *present.messages)
    joined = {(m.alarm, m.n, m.contact, m.accepted, m.handover): m for m in both if m.patient in of}
    return sorted(joined.values(), key=lambda m: (m.accepted, m.alarm))
