"""Body of an e-mail: all of an alarm and its patient, or as little as the ward's other messages. Pure."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final, TypeAlias

from cloud.ack_links import number
from cloud.notify.messages.incident_words import PLAIN, lines
from cloud.wording import Wording
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Detail, Messages
from vitals.signs import INDEX, SIGNS
from vitals.trend import PREFIX as TREND

DEFAULT: Final = Messages()
Active: TypeAlias = Callable[[str], Sequence[AlarmEvent]]


def bed_of(event: AlarmEvent, admission: Admission | None) -> str | None:
    """Returns the bed of an alarm; None for equipment without one."""
    return event.bed or (admission.bed if admission else None)


def sign(event: AlarmEvent, wording: Wording) -> str:
    """Returns the sign of an alarm with its value, in letters of an SMS; or the name of its condition."""
    value = "" if event.value is None else f" {wording.value(event.condition, event.value)}"
    return wording.condition(event.condition) + value


def email(
    events: Sequence[AlarmEvent],
    admissions: Sequence[Admission | None],
    links: Sequence[str],
    now: int,
    active: Active = lambda _: (),
    *,
    wording: Wording = PLAIN,
    settings: Sequence[Messages] = (),
) -> str:
    """Returns the body of an e-mail.

    Args:
        events: Events in the message, the most urgent first.
        admissions: Each event's patient; None if it has none or the admission is unknown.
        links: Each event's link.
        now: UTC epoch ms.
        active: Returns the active alarms of an incident; they are listed once in a message, for its size.
        wording: Language and zone.
        settings: Setting of each event's ward; without, the default one.
    """
    first = {event.incident: event.id for event in reversed(events)}
    known = [active(event.incident) if first[event.incident] == event.id else () for event in events]
    each = settings or [DEFAULT] * len(events)
    rows = zip(events, admissions, links, known, each, strict=True)
    parts = [_paragraph(e, a, url, now, active=k, wording=wording, setting=s) for e, a, url, k, s in rows]
    return "\n\n".join([*parts, wording("email.disclaimer")]) + "\n"


def _paragraph(
    event: AlarmEvent,
    admission: Admission | None,
    url: str,
    now: int,
    *,
    active: Sequence[AlarmEvent],
    wording: Wording,
    setting: Messages,
) -> str:
    priority, kind = wording(f"priority.{event.priority.label}"), wording(f"kind.{event.kind.value}")
    head = f"{priority} {kind} {number(event.id)}"
    link, begin = wording("email.link", url=url), wording("email.begin", since=wording.moment(event.start))
    bed = wording("email.place", ward=event.ward or "-", bed=bed_of(event, admission) or "-")
    if not setting.email_patient:
        # No more than the ward's other messages.
        where = wording("email.ward", ward=event.ward or "-") if setting.text is Detail.MINIMAL else bed
        told_sign = f": {sign(event, wording)}" if setting.text is Detail.BED_AND_SIGN else ""
        return "\n".join([f"{head}{told_sign}", where, begin, link])
    told = [f"{head}: {wording.text(event)}", *lines(event, active, wording)]
    if admission is not None:
        told += [
            wording(
                "email.patient", name=admission.name, age=age(admission.born, now, wording), patient=admission.patient
            ),
        ]
        told += [wording("email.phone", phone=admission.phone)] if admission.phone else []
        told += [wording("email.address", address=admission.address)] if admission.address else []
    elif event.patient:
        told.append(wording("email.unknown", patient=event.patient))
    told.append(bed)
    if event.device or event.gateway:
        told.append(wording("email.device", device=event.device or "-", gateway=event.gateway or "-"))
    if event.value is not None:
        told.append(wording("email.reading", reading=_reading(event, wording)))
    if admission is not None and event.condition in INDEX:
        told.append(_limits(event.condition, admission, wording))
    if event.recent:
        told.append(wording("email.trend", trend=_trend(event, wording)))
    return "\n".join([*told, begin, link])


def _trend(event: AlarmEvent, wording: Wording) -> str:
    """Returns the values before the alarm with their age, oldest first."""
    field = event.condition.removeprefix(TREND)
    decimals = SIGNS[INDEX[field]].decimals if field in INDEX else 1
    return ", ".join(f"{value:.{decimals}f} ({_ago(event.t - t, wording)})" for t, value in event.recent)


def _ago(ms: int, wording: Wording) -> str:
    seconds = max(0, ms) // 1000
    unit, count = ("minutes", seconds // 60) if seconds >= 60 else ("seconds", seconds)  # noqa: PLR2004 - of a minute
    return wording(f"email.{unit}-before", count=count)


def _reading(event: AlarmEvent, wording: Wording) -> str:
    limit = "" if event.limit is None else f" ({wording('limit')} {event.limit:g})"
    if event.condition not in INDEX:
        return f"{event.value:g}{limit}"
    about = SIGNS[INDEX[event.condition]]
    return f"{wording.condition(about.field)} {event.value:.{about.decimals}f} {about.unit}{limit}"


def _limits(field: str, admission: Admission, wording: Wording) -> str:
    limit = admission.limits.limits[INDEX[field]]
    bounds = (limit.extreme_low, limit.low, limit.high, limit.extreme_high)
    low2, low, high, high2 = (wording("email.no-limit") if bound is None else f"{bound:g}" for bound in bounds)
    unit, profile = SIGNS[INDEX[field]].unit, admission.profile
    return wording("email.limits", low=low, high=high, unit=unit, low2=low2, high2=high2, profile=profile)


def age(born: str, now: int, wording: Wording = PLAIN) -> str:
    """Returns an age in years, or in months below two years.

    Args:
        born: Date of birth, ISO 8601.
        now: UTC epoch ms.
        wording: Language and zone.
    """
    try:
        birth = date.fromisoformat(born)
    except ValueError:
        return wording("age.unknown")
    today = datetime.fromtimestamp(now / 1000, wording.zone).date()
    years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    if years < 2:  # noqa: PLR2004 - under two years, age is told in months
        return wording("age.months", count=max((today - birth).days * 12 // 365, 0))
    return wording("age.years", count=years)
