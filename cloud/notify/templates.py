"""Texts of SMS and e-mail.

An SMS is unencrypted: ward, priority, number, number of problems, reason and link; never a name, value or diagnosis.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

import msgspec

from cloud.ack_links import AckToken, number, sign_token
from cloud.notify import sms_part
from cloud.notify.channels.port import RenderedMessage
from cloud.notify.incident_words import about, lines, why
from cloud.notify.routing import channels
from cloud.notify.throttle import Message
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Kind
from vitals.signs import INDEX, SIGNS
from vitals.trend import PREFIX as TREND

MAX_SUBJECT: Final = 100
Active: TypeAlias = Callable[[str], Sequence[AlarmEvent]]
DISCLAIMER: Final = "Wardwatch is secondary notification; the bedside monitor's own alarm comes first."


@dataclass(frozen=True, slots=True)
class Links:
    """Links in messages.

    Attributes:
        console: Base URL.
        key: Signs a link that acknowledges; None: links lead to the alarm's page, which requires a login.
        valid_ms: Validity of a signed link.
    """

    console: str
    key: str | None = None
    valid_ms: int = 12 * 3_600_000

    def to(self, alarm: str, contact: str, now: int) -> str:
        """Returns a contact's URL of an alarm, as of `now`, UTC epoch ms."""
        return f"{self.console.rstrip('/')}/a/{self._token(alarm, contact, now)}"

    def to_proof(self, request: str, contact: str, now: int) -> str:
        """Returns a contact's URL that confirms a request for a proof, as of `now`, UTC epoch ms."""
        return f"{self.console.rstrip('/')}/p/{self._token(request, contact, now)}"

    def _token(self, alarm: str, contact: str, now: int) -> str:
        return (
            number(alarm) if self.key is None else sign_token(self.key, AckToken(alarm, contact, now + self.valid_ms))
        )


def compose(
    message: Message, patients: Mapping[str, Admission], active: Active, links: Links, now: int
) -> RenderedMessage:
    """Renders a message for every channel.

    Args:
        message: The message.
        patients: Newest admission of each patient.
        active: Returns the active alarms of an incident, as far as they are known.
        links: Builds the message's links.
        now: UTC epoch ms.
    """
    events = [item.event for item in message.items]
    admissions = [patients.get(event.patient or "") for event in events]
    urls = [links.to(event.id, message.contact.contact, now) for event in events]
    text = sms(events, urls[0])
    body = email(events, admissions, urls, now, active)
    lead = events[0]
    outbox = {
        "contact": message.contact.contact,
        "alarm": lead.id,
        "n": lead.n,
        "handover": lead.handover,
        "call": lead.call,
        "reason": lead.reason,
        "problems": lead.problems,
        "priority": lead.priority.label,
        "ward": lead.ward,
        "merged": [event.id for event in events[1:]],
        "sms": text,
        "email": body,
    }
    by = channels(message.contact, message.priority)
    return RenderedMessage(subject(events), text, body, msgspec.json.encode(outbox).decode(), by)


def plain(message: Message) -> RenderedMessage:
    """Renders a message with only its alarms' numbers, for one that `compose` cannot render."""
    numbers = ", ".join(number(item.event.id) for item in message.items)
    text = f"{message.priority.label.upper()} alarm {numbers}: see the ward page"
    brief = sms_part.fitted("", (text,))
    outbox = {"contact": message.contact.contact, "alarm": message.items[0].event.id, "sms": brief}
    by = channels(message.contact, message.priority)
    return RenderedMessage(text[:MAX_SUBJECT], brief, text, msgspec.json.encode(outbox).decode(), by)


def sms(events: Sequence[AlarmEvent], url: str) -> str:
    """Returns the text of an SMS, one part in the alphabet in which it is sent.

    Args:
        events: Events in the message, the most urgent first.
        url: Link; left out if it does not fit, as the number remains.
    """
    lead, *others = events
    kind = "technical alarm" if lead.kind is Kind.TECHNICAL else "alarm"
    head = f" {lead.priority.label.upper()} {kind} {number(lead.id)}"
    detail, reason = about(lead), "" if lead.incident else f" {why(lead)}".rstrip()
    full, brief = (f"{_more(others, where=where)}{reason}" for where in (True, False))
    # Left out first: the others' ward, then problems and reason, then the link, since the number finds the alarm.
    tails = (f"{head}{detail}{full} {url}", f"{head}{detail}{brief} {url}", f"{head}{brief} {url}")
    return sms_part.fitted((lead.ward or "EQUIPMENT").upper(), (*tails, f"{head}{detail}{full}", f"{head}{brief}"))


def _more(others: Sequence[AlarmEvent], *, where: bool) -> str:
    if not others:
        return ""
    wards = {(event.ward or "equipment").upper() for event in others}
    place = f" in {wards.pop()[:12]}" if where and len(wards) == 1 else ""
    return f" and {len(others)} more alarm{'s' if len(others) > 1 else ''}{place}"


def subject(events: Sequence[AlarmEvent]) -> str:
    """Returns an e-mail's subject. Locked screens show subjects, so it contains no more than an SMS."""
    lead = events[0]
    text = f"{lead.priority.label.upper()} {lead.kind.value} alarm, {lead.ward or 'equipment'}, {number(lead.id)}"
    # SNS accepts only printable ASCII.
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_SUBJECT]


def email(
    events: Sequence[AlarmEvent],
    admissions: Sequence[Admission | None],
    links: Sequence[str],
    now: int,
    active: Active = lambda _: (),
) -> str:
    """Returns the body of an e-mail.

    Args:
        events: Events in the message, the most urgent first.
        admissions: Each event's patient; None if it has none or the admission is unknown.
        links: Each event's link.
        now: UTC epoch ms.
        active: Returns the active alarms of an incident; they are listed once in a message, for its size.
    """
    first = {event.incident: event.id for event in reversed(events)}
    known = [active(event.incident) if first[event.incident] == event.id else () for event in events]
    parts = [_paragraph(e, a, url, now, k) for e, a, url, k in zip(events, admissions, links, known, strict=True)]
    return "\n\n".join([*parts, DISCLAIMER]) + "\n"


def _paragraph(event: AlarmEvent, admission: Admission | None, url: str, now: int, active: Sequence[AlarmEvent]) -> str:
    told = [f"{event.priority.label.upper()} {event.kind.value} alarm {number(event.id)}: {event.text}"]
    told += lines(event, active)
    if admission is not None:
        told += [
            f"Patient: {admission.name}, {age(admission.born, now)} ({admission.patient})",
            f"Phone: {admission.phone}",
            f"Address: {admission.address}",
        ]
    elif event.patient:
        told.append(f"Patient: {event.patient} (no admission is known)")
    bed = event.bed or (admission.bed if admission else None)
    told.append(f"Ward: {event.ward or '-'}, bed: {bed or '-'}")
    if event.device or event.gateway:
        told.append(f"Device: {event.device or '-'}, gateway: {event.gateway or '-'}")
    if event.value is not None:
        told.append(f"Reading: {_reading(event)}")
    if admission is not None and event.condition in INDEX:
        told.append(f"Limits: {_limits(event.condition, admission)}")
    since = datetime.fromtimestamp(event.start / 1000, UTC).isoformat(timespec="seconds")
    if event.recent:
        told.append(f"Trend: {_trend(event)}")
    return "\n".join([*told, f"Since: {since}", f"Acknowledge or see more: {url}"])


def _trend(event: AlarmEvent) -> str:
    """Returns the values before the alarm with their age, oldest first."""
    field = event.condition.removeprefix(TREND)
    decimals = SIGNS[INDEX[field]].decimals if field in INDEX else 1
    return ", ".join(f"{value:.{decimals}f} ({_ago(event.t - t)})" for t, value in event.recent)


def _ago(ms: int) -> str:
    seconds = max(0, ms) // 1000
    return f"{seconds // 60} min before" if seconds >= 60 else f"{seconds} s before"  # noqa: PLR2004 - seconds of a minute


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
    """Returns an age in years, or in months below two years.

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
