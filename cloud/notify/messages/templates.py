"""Texts of SMS, push messages and e-mail, as the ward has set them (`vitals.contacts.Messages`).

An SMS is unencrypted: it never has a name. A lock screen shows its first forty characters: priority, bed and time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from cloud.ack_links import AckToken, number, sign_token
from cloud.notify.channels.port import RenderedMessage
from cloud.notify.delivery.throttle import Message
from cloud.notify.messages import sms_part
from cloud.notify.messages.email_body import DEFAULT, Active, bed_of, email, sign
from cloud.notify.messages.incident_words import PLAIN, about, why
from cloud.notify.routing.on_call import channels
from cloud.wording import Wording
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Detail, Messages

MAX_SUBJECT: Final = 100
MAX_BED: Final = 16
"""Characters of a bed's name in an SMS."""


@dataclass(frozen=True, slots=True)
class Links:
    """Links in messages.

    Attributes:
        console: Base URL.
        key: Signs a link that acknowledges; None: links lead to the alarm's page, which requires a login.
        valid_ms: Validity of a signed link.
        wording: Language and zone of messages.
    """

    console: str
    key: str | None = None
    valid_ms: int = 12 * 3_600_000
    wording: Wording = PLAIN

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
    message: Message,
    patients: Mapping[str, Admission],
    active: Active,
    links: Links,
    now: int,
    *,
    setting: Callable[[str | None], Messages] = lambda _: DEFAULT,
) -> RenderedMessage:
    """Renders a message for every channel.

    Args:
        message: The message.
        patients: Newest admission of each patient.
        active: Returns the active alarms of an incident, as far as they are known.
        links: Builds the message's links.
        now: UTC epoch ms.
        setting: Returns a ward's setting of the content of messages.
    """
    wording = links.wording
    events = [item.event for item in message.items]
    lead = events[0]
    known = [patients.get(event.patient or "") for event in events]
    # Each ward's own setting: a message may be merged of several wards.
    admissions = [a if setting(e.ward).email_patient else None for e, a in zip(events, known, strict=True)]
    urls = [links.to(event.id, message.contact.contact, now) for event in events]
    detail = setting(lead.ward).text
    text = sms(events, urls[0], detail, wording, bed_of(lead, known[0]))
    settings = [setting(event.ward) for event in events]
    body = email(events, admissions, urls, now, active, wording=wording, settings=settings)
    outbox = {
        "contact": message.contact.contact,
        "alarm": lead.id,
        "n": lead.n,
        "handover": lead.handover,
        "call": lead.call,
        "reason": lead.reason,
        "problems": lead.problems,
        "priority": lead.priority.label,
        "kind": lead.kind,
        "phase": lead.phase,
        "ward": lead.ward,
        "bed": None if detail is Detail.MINIMAL else bed_of(lead, known[0]),
        "merged": [event.id for event in events[1:]],
        "sms": text,
        "email": body,
    }
    by = channels(message.contact, message.priority)
    title = subject(events, detail, wording, bed_of(lead, known[0]))
    return RenderedMessage(title, text, body, msgspec.json.encode(outbox).decode(), by)


def plain(message: Message, wording: Wording = PLAIN) -> RenderedMessage:
    """Renders a message with only its alarms' numbers, for one that `compose` cannot render."""
    numbers = ", ".join(number(item.event.id) for item in message.items)
    text = wording("plain", priority=wording(f"priority.{message.priority.label}"), numbers=numbers)
    brief = sms_part.fitted("", (text,))
    outbox = {"contact": message.contact.contact, "alarm": message.items[0].event.id, "sms": brief}
    by = channels(message.contact, message.priority)
    return RenderedMessage(_ascii(text), brief, text, msgspec.json.encode(outbox).decode(), by)


def sms(
    events: Sequence[AlarmEvent],
    url: str,
    detail: Detail = Detail.BED,
    wording: Wording = PLAIN,
    bed: str | None = None,
) -> str:
    """Returns the text of an SMS, one part in the alphabet in which it is sent.

    Args:
        events: Events in the message, the most urgent first.
        url: Link; left out if it does not fit, as the number remains.
        detail: The ward's setting.
        wording: Language and zone.
        bed: Bed of the first event.
    """
    lead, *others = events
    first = _head(lead, detail, wording, bed, wording.clock(lead.log_t)) + " "
    kind = f" {wording(f'sms.{lead.kind.value}')} {number(lead.id)}"
    shown = f" {sign(lead, wording)}" if detail is Detail.BED_AND_SIGN else ""
    detail_of, reason = about(lead, wording), "" if lead.incident else f" {why(lead, wording)}".rstrip()
    full, brief = (f"{_more(others, wording, where=where)}{reason}" for where in (True, False))
    # Left out first: the others' ward, problems and reason, the sign, then the link: the number finds the alarm.
    tails = (
        f"{shown}{kind}{detail_of}{full} {url}",
        f"{shown}{kind}{detail_of}{brief} {url}",
        f"{shown}{kind}{brief} {url}",
        f"{kind}{brief} {url}",
        f"{shown}{kind}{detail_of}{full}",
        f"{kind}{brief}",
    )
    return sms_part.fitted(_ward(lead, wording), tails, first)


def _head(lead: AlarmEvent, detail: Detail, wording: Wording, bed: str | None, time: str = "") -> str:
    shown = "" if detail is Detail.MINIMAL else (bed or lead.bed or "")[:MAX_BED]
    return " ".join(part for part in (wording(f"priority.{lead.priority.label}"), shown, time) if part)


def _ward(event: AlarmEvent, wording: Wording) -> str:
    return (event.ward or wording("equipment")).upper()


def _more(others: Sequence[AlarmEvent], wording: Wording, *, where: bool) -> str:
    if not others:
        return ""
    wards = {_ward(event, wording) for event in others}
    place = f" {wording('sms.in', ward=wards.pop()[:12])}" if where and len(wards) == 1 else ""
    return f" {wording('sms.more-one') if len(others) == 1 else wording('sms.more', count=len(others))}{place}"


def subject(
    events: Sequence[AlarmEvent], detail: Detail = Detail.BED, wording: Wording = PLAIN, bed: str | None = None
) -> str:
    """Returns an e-mail's subject. Locked screens show subjects, so it contains no more than an SMS."""
    lead = events[0]
    kind = wording(f"kind.{lead.kind.value}")
    place = f"{lead.ward or wording('equipment')}, {number(lead.id)}"
    return _ascii(f"{_head(lead, detail, wording, bed)} {wording.clock(lead.log_t)}, {kind}, {place}")


def _ascii(text: str) -> str:
    # SNS accepts only printable ASCII.
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_SUBJECT]
