"""What a person reads. An SMS is unencrypted: ward, priority, number and link, never a name, value or diagnosis."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from vitals.alarms import AlarmEvent, Kind
from vitals.patients import Admission
from vitals.signs import INDEX, SIGNS

MAX_SMS_BYTES: Final = 140
MAX_SUBJECT: Final = 100
DISCLAIMER: Final = "Wardwatch is secondary notification; the bedside monitor's own alarm comes first."


def short(alarm: str) -> str:
    """Returns an alarm's number for people: eight letters and digits that give away neither patient nor sign."""
    return base64.b32encode(hashlib.blake2b(alarm.encode(), digest_size=5).digest()).decode()


def link(alarm: str, console: str) -> str:
    """Returns the address at which a person who may see it finds the alarm."""
    return f"{console.rstrip('/')}/a/{short(alarm)}"


def sms(events: Sequence[AlarmEvent], console: str) -> str:
    """Returns the text of an SMS, at most 140 bytes.

    Args:
        events: What it tells of, the most urgent first.
        console: Base of the link; too long a one is left out, the number stays.
    """
    lead, *others = events
    ward = (lead.ward or "EQUIPMENT").upper()
    kind = "technical alarm" if lead.kind is Kind.TECHNICAL else "alarm"
    told = f" {lead.priority.label.upper()} {kind} {short(lead.id)}{_more(others)}"
    if lead.handover:
        told += f" handover {lead.handover}"
    # The link goes before the ward does: the number finds the alarm without it.
    tail = f" {link(lead.id, console)}"
    if len((told + tail).encode()) >= MAX_SMS_BYTES // 2 + 40:
        tail = ""
    room = MAX_SMS_BYTES - len((told + tail).encode())
    return ward.encode()[:room].decode(errors="ignore") + told + tail


def _more(others: Sequence[AlarmEvent]) -> str:
    if not others:
        return ""
    wards = {(event.ward or "equipment").upper() for event in others}
    where = f" in {wards.pop()[:12]}" if len(wards) == 1 else ""
    return f" and {len(others)} more alarm{'s' if len(others) > 1 else ''}{where}"


def subject(events: Sequence[AlarmEvent]) -> str:
    """Returns an e-mail's subject: subjects are shown on locked screens, so it says no more than an SMS."""
    lead = events[0]
    text = f"{lead.priority.label.upper()} {lead.kind.value} alarm, {lead.ward or 'equipment'}, {short(lead.id)}"
    # SNS takes printable ASCII alone.
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_SUBJECT]


def email(events: Sequence[AlarmEvent], admissions: Sequence[Admission | None], console: str, now: int) -> str:
    """Returns the body of an e-mail.

    Args:
        events: What it tells of, the most urgent first.
        admissions: Each event's patient, None when it concerns none or they are unknown.
        console: Base of the links.
        now: UTC epoch ms.
    """
    parts = [_paragraph(e, a, console, now) for e, a in zip(events, admissions, strict=True)]
    return "\n\n".join([*parts, DISCLAIMER]) + "\n"


def _paragraph(event: AlarmEvent, admission: Admission | None, console: str, now: int) -> str:
    lines = [f"{event.priority.label.upper()} {event.kind.value} alarm {short(event.id)}: {event.text}"]
    if admission is not None:
        lines += [
            f"Patient: {admission.name}, {age(admission.born, now)} ({admission.patient})",
            f"Phone: {admission.phone}",
            f"Address: {admission.address}",
        ]
    elif event.patient:
        lines.append(f"Patient: {event.patient} (no admission is known)")
    bed = event.bed or (admission.bed if admission else None)
    lines.append(f"Ward: {event.ward or '-'}, bed: {bed or '-'}")
    if event.device or event.gateway:
        lines.append(f"Device: {event.device or '-'}, gateway: {event.gateway or '-'}")
    if event.value is not None:
        lines.append(f"Reading: {_reading(event)}")
    if admission is not None and event.condition in INDEX:
        lines.append(f"Limits: {_limits(event.condition, admission)}")
    since = datetime.fromtimestamp(event.start / 1000, UTC).isoformat(timespec="seconds")
    return "\n".join([*lines, f"Since: {since}", f"Trend: {link(event.id, console)}"])


def _reading(event: AlarmEvent) -> str:
    limit = "" if event.limit is None else f" (limit {event.limit:g})"
    if event.condition not in INDEX:
        return f"{event.value:g}{limit}"
    sign = SIGNS[INDEX[event.condition]]
    return f"{sign.name} {event.value:.{sign.decimals}f} {sign.unit}{limit}"


def _limits(field: str, admission: Admission) -> str:
    limit = admission.limits.limits[INDEX[field]]
    bounds = (limit.extreme_low, limit.low, limit.high, limit.extreme_high)
    low2, low, high, high2 = ("none" if bound is None else f"{bound:g}" for bound in bounds)
    return f"{low} to {high} {SIGNS[INDEX[field]].unit}, extreme {low2} and {high2} (profile {admission.profile})"


def age(born: str, now: int) -> str:
    """Returns an age as people say it.

    Args:
        born: Date of birth, ISO 8601.
        now: UTC epoch ms.
    """
    try:
        birth = date.fromisoformat(born)
    except ValueError:
        return "age unknown"
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    if years < 2:  # noqa: PLR2004 - under two years, age is told in months
        return f"{max((today - birth).days * 12 // 365, 0)} months"
    return f"{years} years"
