"""Marked events: real clinical events with patient and time, for measuring detection delays.

Two formats are supported. A CSV file has the columns `patient,begins,ends,event,conditions`: times are ISO 8601 with
offset; `ends` and the conditions, separated by spaces, may be empty. In the simulator's ledger (JSON lines) every phase
of a story except those in `QUIET` is an event of the patient on the device.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from vitals.engine.rules.constants import CONDITIONS

WINDOW_MS: Final = 1_800_000
"""Default length of an event without an end: a later alarm does not count for it."""
COLUMNS: Final = ("patient", "begins", "ends", "event", "conditions")
QUIET: Final = frozenset({"stable", "recovering", "recovered", "improving", "probe-off", "probe-on"})
"""Phases of a simulated story without a clinical event."""


class EventsError(ValueError):
    """The file of events is invalid; the message contains the line and the reason."""


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    Attributes:
        patient: Patient id.
        event: Description.
        begins: UTC epoch ms.
        ends: UTC epoch ms; from then on an alarm is too late to count.
        conditions: Conditions with an alarm that counts; none: any.
    """

    patient: str
    event: str
    begins: int
    ends: int
    conditions: tuple[str, ...] = ()


def read(path: Path, devices: Mapping[str, str], since: int, until: int) -> tuple[Marked, ...]:
    """Reads a file of events.

    Args:
        path: The file.
        devices: Patient by device; the ledger identifies patients by device.
        since: Events that begin earlier are left out, UTC epoch ms.
        until: Events that begin at this time or later are left out, UTC epoch ms.

    Raises:
        EventsError: It has neither format, or a line is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EventsError(f"{path} cannot be read: {error}") from error
    found = _ledger(path, text, devices) if text.lstrip().startswith("{") else _table(path, text)
    return tuple(sorted((e for e in found if since <= e.begins < until), key=lambda e: (e.begins, e.patient)))


def _table(path: Path, text: str) -> Iterator[Marked]:
    rows = csv.DictReader(text.splitlines())
    if not set(COLUMNS[:2]) <= set(rows.fieldnames or ()):
        raise EventsError(f"{path}: the first line must name the columns {','.join(COLUMNS)}")
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        begins = _time(row["begins"], where)
        ends = _time(row["ends"], where) if row.get("ends") else begins + WINDOW_MS
        conditions = tuple((row.get("conditions") or "").split())
        unknown = set(conditions) - set(CONDITIONS)
        if not row["patient"] or ends <= begins or unknown:
            wrong = f"no such condition: {', '.join(sorted(unknown))}; there are {', '.join(CONDITIONS)}"
            raise EventsError(
                f"{where}: " + (wrong if unknown else "it needs a patient, and an end after its beginning")
            )
        event = row.get("event") or "event"
        yield Marked(patient=row["patient"], event=event, begins=begins, ends=ends, conditions=conditions)


def _time(text: str, where: str) -> int:
    try:
        t = datetime.fromisoformat(text)
        if t.tzinfo is None:
            raise ValueError("it has no offset, such as Z or +01:00")
    except ValueError as error:
        raise EventsError(f"{where}: time {text!r}: {error}") from error
    return round(t.timestamp() * 1000)


def _ledger(path: Path, text: str, devices: Mapping[str, str]) -> Iterator[Marked]:
    sent: dict[str, list[tuple[int, str, str]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            told: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise EventsError(f"{path}, line {number}: not JSON: {error}") from error
        if told.get("k") == "sent" and told.get("device") in devices:
            sent.setdefault(told["device"], []).append((told["at"], str(told.get("story")), str(told.get("phase"))))
    for device, lines in sent.items():
        yield from _phases(devices[device], lines)


def _phases(patient: str, lines: Iterable[tuple[int, str, str]]) -> Iterator[Marked]:
    """Yields an event for each run of readings with one phase; the next phase, or the last reading, ends it."""
    open_: tuple[int, str, str] | None = None
    last = 0
    for at, story, phase in sorted(lines):
        if open_ is not None and (story, phase) != open_[1:]:
            yield _event(patient, open_, at)
            open_ = None
        if open_ is None and phase.lower() not in QUIET:
            open_ = (at, story, phase)
        last = at
    if open_ is not None and last > open_[0]:
        yield _event(patient, open_, last)


def _event(patient: str, begun: tuple[int, str, str], ends: int) -> Marked:
    begins, story, phase = begun
    return Marked(patient=patient, event=f"{story}: {phase}", begins=begins, ends=ends)
