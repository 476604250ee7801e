"""Content of a link's page: as much as the ward has set, and never a name of a patient. A link needs no sign-in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud import ack_links
from cloud.console.http.dependencies import AppState
from cloud.wording import Wording
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Detail, MessageKind
from vitals.signs import INDEX

TREND_MS: Final = 600_000
STEP_MS: Final = 60_000
MOST: Final = 8
"""Alarms of an incident, and people, that a phone's page lists."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """Content of the page.

    Attributes:
        bed: Bed; "" if the ward does not show it.
        signs: Texts of the incident's alarms with their present values, the most urgent first.
        trend: Times and values of the first sign over ten minutes, the oldest first.
        others: Names of the other contacts with a message.
    """

    bed: str = ""
    signs: tuple[str, ...] = ()
    trend: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


def view(own: AppState, link: ack_links.AckToken, events: Sequence[AlarmEvent], wording: Wording) -> LinkView:
    """Returns the content of a page for alarms of one incident, the most urgent first."""
    lead = events[0]
    detail = own.topics.house.messages(lead.ward).link
    if detail is Detail.MINIMAL:
        return LinkView()
    admission = own.topics.admissions.get(lead.patient or "")
    bed = lead.bed or (admission.bed if admission else "")
    told = _told(own, link, events)
    if detail is Detail.BED:
        return LinkView(bed, others=told)
    signs = tuple(_sign(own, event, wording) for event in events[:MOST])
    return LinkView(bed, signs, _trend(own, lead, wording), told)


def _told(own: AppState, link: ack_links.AckToken, events: Sequence[AlarmEvent]) -> tuple[str, ...]:
    ids = {event.id for event in events} | {link.alarm}
    found = (m for m in list(own.topics.notifications) if m.alarm in ids and m.sns is not None)
    people = dict.fromkeys(m.contact for m in found if m.kind is MessageKind.ALARM and m.contact != link.contact)
    entries = ((contact, own.topics.house.person(contact)) for contact in list(people)[:MOST])
    return tuple(entry.name if entry is not None and entry.name else contact for contact, entry in entries)


def _sign(own: AppState, event: AlarmEvent, wording: Wording) -> str:
    seen = own.feed.sight.patients.get(event.patient or "")
    now = seen.signs.get(event.condition) if seen else None
    value = event.value if now is None or now.value is None or now.suspect else now.value
    if event.condition not in INDEX or value is None:
        return wording.text(event)
    return f"{wording.condition(event.condition)} {wording.value(event.condition, value)}"


def _trend(own: AppState, event: AlarmEvent, wording: Wording) -> tuple[tuple[str, str], ...]:
    trail = own.feed.trails.get(event.patient or "")
    points, last = [], 0
    for t, values in trail.points() if trail else ():
        value = values.get(event.condition)
        if value is not None and t >= own.clock() - TREND_MS and t - last >= STEP_MS:
            points.append((wording.clock(t), wording.value(event.condition, value)))
            last = t
    return tuple(points)
