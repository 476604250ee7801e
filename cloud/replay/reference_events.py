"""Marked events: what really happened to whom, and when, so that detection delays can be measured.

Two forms are read: a CSV file `patient,begins,ends,event,conditions` (times ISO 8601 with offset; `ends` and the
conditions, separated by spaces, may be empty), and the simulator's ledger (JSON lines), in which every phase of a story
but those in `QUIET` is an event of the patient on the device.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from vitals.engine.rules.constants import CONDITIONS

WINDOW_MS: Final = 1_800_000
"""An event without an end is looked for in so much time after it began."""
COLUMNS: Final = ("patient", "begins", "ends", "event", "conditions")
QUIET: Final = frozenset({"stable", "recovering", "recovered", "improving", "probe-off", "probe-on"})
"""Phases of a simulated story in which nothing is wrong."""


class EventsError(ValueError):
    """A file of events that cannot be used; the message says where and why."""


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    Attributes:
        patient: Patient id.
        event: What it was.
        begins: UTC epoch ms.
        ends: UTC epoch ms; from then on an alarm comes too late to count.
        conditions: Conditions whose alarm would tell of it; none: any.
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
        devices: Patient by device; the ledger names devices.
        since: Events that begin earlier are left out, UTC epoch ms.
        until: Likewise, from here on.

    Raises:
        EventsError: It is neither form, or a line is wrong.
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
    """A run of readings with one phase is an event; the next phase, or the last reading, ends it."""
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
