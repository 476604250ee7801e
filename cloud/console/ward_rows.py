"""Rows of a ward's patients for the hand-over report, read from the warehouse in five queries."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import msgspec

from cloud.console.warehouse_values import epoch, stamp, trusted
from cloud.lake.schema import ACTIONS, ALARMS, JSON, NOTIFICATIONS, PATIENTS, Table
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Notification
from vitals.signs import FIELDS

MINUTE_MS: Final = 60_000
T = TypeVar("T", Admission, AlarmEvent, Notification, Action)


@dataclass(frozen=True, slots=True)
class Minute:
    """Trusted values of one patient in one minute of event time.

    Attributes:
        t: Begin of the minute, UTC epoch ms.
        values: Mean, lowest and highest value by sign; empty if no value was trusted.
    """

    t: int
    values: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class WardRows:
    """History of some patients; each list is in order of time.

    Attributes:
        minutes: By patient, minutes with a reading.
        versions: By patient, every version of the admission with its log time, UTC epoch ms.
        events: Alarm events.
        messages: Messages and their states.
        actions: Actions, and earlier charted ones.
        unreadable: Rows that could not be decoded.
    """

    minutes: Mapping[str, Sequence[Minute]] = field(default_factory=dict)
    versions: Mapping[str, Sequence[tuple[int, Admission]]] = field(default_factory=dict)
    events: Sequence[AlarmEvent] = ()
    messages: Sequence[Notification] = ()
    actions: Sequence[Action] = ()
    unreadable: int = 0


class Cursor(Protocol):
    """A DB-API cursor."""

    def execute(self, sql: str, values: Sequence[object]) -> object:
        """Runs a statement."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Returns its rows."""


def read(cursor: Cursor, patients: Sequence[str], begin: int, end: int, before_ms: int) -> WardRows:
    """Reads the history of patients, of which there is one at least, from `begin` to `end`, UTC epoch ms.

    Args:
        cursor: Of the warehouse.
        patients: Patient ids.
        begin: Begin of alarms, messages and actions.
        end: End of all.
        before_ms: Time before `begin` from which minutes are read, too.
    """
    those = f"patient IN ({', '.join(['%s'] * len(patients))})"
    span = (*patients, stamp(begin), stamp(end))
    unreadable = 0

    def found(table: Table, kind: type[T], where: str, values: Sequence[object], order: str) -> list[tuple[int, T]]:
        """Returns each row with the time in the first column of its order."""
        nonlocal unreadable
        by = order.split(", ", maxsplit=1)[0]
        sql = f"SELECT {by}, {', '.join(table.names)} FROM {table.name} WHERE {those} AND {where} ORDER BY {order}"  # noqa: S608 - our own names
        cursor.execute(sql, values)
        rows = [(epoch(t) or 0, _decoded(table, kind, row)) for t, *row in cursor.fetchall()]
        unreadable += sum(row is None for _, row in rows)
        return [(t, row) for t, row in rows if row is not None]

    versions = defaultdict(list)
    for t, version in found(PATIENTS, Admission, "log_t < %s", (*patients, stamp(end)), "log_t, version"):
        versions[version.patient].append((t, version))
    charted = f"t < %s AND (t >= %s OR act = '{Act.CHART.value}')"
    events = [e for _, e in found(ALARMS, AlarmEvent, "log_t >= %s AND log_t < %s", span, "log_t, id, n")]
    told = found(NOTIFICATIONS, Notification, "accepted >= %s AND accepted < %s", span, "accepted, alarm")
    acts = [a for _, a in found(ACTIONS, Action, charted, (*patients, stamp(end), stamp(begin)), "t, id")]
    minutes = _minutes(cursor, those, (*patients, stamp(begin - before_ms), stamp(end)))
    return WardRows(minutes, versions, events, [m for _, m in told], acts, unreadable)


def _minutes(cursor: Cursor, those: str, values: Sequence[object]) -> dict[str, list[Minute]]:
    columns = ", ".join(f"avg({x}), min({x}), max({x})" for x in map(trusted, FIELDS))
    minute = f"floor(extract(epoch FROM t) * 1000 / {MINUTE_MS})"
    cursor.execute(
        f"SELECT patient, {minute}, {columns} FROM vitals WHERE {those} AND t >= %s AND t < %s "  # noqa: S608 - names and numbers of our own
        "GROUP BY 1, 2 ORDER BY 1, 2",
        values,
    )
    found = defaultdict(list)
    for patient, number, *cells in cursor.fetchall():
        present = {
            name: (float(cells[3 * k]), float(cells[3 * k + 1]), float(cells[3 * k + 2]))
            for k, name in enumerate(FIELDS)
            if cells[3 * k] is not None
        }
        found[patient].append(Minute(int(number) * MINUTE_MS, present))
    return found


def _decoded(table: Table, kind: type[T], row: Sequence[Any]) -> T | None:
    """Returns a row as the record that it was; None if this version does not accept it."""
    facts: dict[str, Any] = {}
    try:
        for column, cell in zip(table.columns, row, strict=True):
            value: Any = epoch(cell) if isinstance(cell, datetime) else cell
            name = column.field or column.name
            if value is not None and name in kind.__struct_fields__:
                facts[name] = json.loads(value) if column.kind == JSON else value
        return msgspec.convert(facts, kind)
    except ValueError:
        return None
