"""A patient's history in the warehouse: trends, alarms, messages, actions. Read only, one connection per query.

Signs become columns by `vitals.signs`, so a new sign needs no edit here. The SQL is common to PostgreSQL and Redshift.
"""

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from cloud.console.ward_rows import WardRows, read
from cloud.console.warehouse_values import doubt, epoch, stamp, trusted
from vitals.limits import from_wire, profile
from vitals.signs import FIELDS, Suspect

TIMEOUT_S: Final = 5
STATEMENT_MS: Final = 10_000
Span = tuple[int, int]
"""Begin and end, UTC epoch ms."""
ALWAYS: Final[Span] = (0, 4_102_444_800_000)
POINTS: Final = 360
"""Points of a trend: as many as a screen can resolve."""


class HistoryDownError(RuntimeError):
    """The warehouse does not answer; the message contains the cause."""


class History(Protocol):
    """Queries of the page to the warehouse. All times are UTC epoch ms."""

    def trend(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """Returns a patient's signs, averaged over equal spans: `t`, and per sign [mean, lowest, highest]."""

    def limits(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """Returns the limits in force: `t` of each change, and per sign the four limits."""

    def alarms(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """Returns alarm events, oldest first."""

    def notifications(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """Returns notifications, oldest first."""

    def actions(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """Returns acknowledgements, audio pauses and chartings, oldest first."""

    def readings(
        self,
        patient: str,
        begin: int,
        end: int,
        *,
        limit: int,
        offset: int,
        oldest_first: bool = False,
        stored: Span = ALWAYS,
    ) -> list[dict[str, Any]]:
        """Returns single readings with every sign, newest first unless `oldest_first`.

        Args:
            patient: Patient id.
            begin: Begin of the event times.
            end: End of the event times.
            limit: Maximum number.
            offset: Number to leave out.
            oldest_first: Ascending event times.
            stored: Begin and end of the log times.
        """

    def count(self, patient: str, begin: int, end: int, groups: Sequence[Sequence[str]], stored: Span = ALWAYS) -> int:
        """Returns the number of values, or of stated absences; each group of fields counts as one in a reading."""

    def ward(self, patients: Sequence[str], begin: int, end: int, before_ms: int) -> WardRows:
        """Returns the history of several patients; see `cloud.console.ward_rows.read`."""


def bounds(name: str, limit_set: str | None) -> dict[str, list[float | None]]:
    """Returns four limits per sign, from a profile's name or from an archived limit set."""
    try:
        limits = from_wire(json.loads(limit_set)) if limit_set else profile(name)
    except (ValueError, TypeError):
        return {}
    rows = zip(FIELDS, limits.limits, strict=True)
    return {field: [x.extreme_low, x.low, x.high, x.extreme_high] for field, x in rows}


class WarehouseHistory:
    """`History` on PostgreSQL, by psycopg, or on Redshift, by its own driver.

    Args:
        url: `postgresql://…` or `redshift://…`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        if urlsplit(url).scheme not in {"postgresql", "redshift"}:
            raise ValueError("WAREHOUSE must be postgresql:// or redshift://")

    def trend(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """See `History`."""
        step_s = max(1, (end - begin) // 1000 // POINTS)
        columns = []
        for field in FIELDS:
            value = trusted(field)
            columns.append(f"avg({value}), min({value}), max({value})")
        sql = (
            f"SELECT floor(extract(epoch FROM t) / {step_s}) AS span, {', '.join(columns)} FROM vitals "  # noqa: S608 - names and numbers of our own
            "WHERE patient = %s AND t >= %s AND t < %s GROUP BY 1 ORDER BY 1"
        )
        found = []
        for span, *values in self._ask(sql, patient, begin, end):
            point: dict[str, Any] = {"t": int(span) * step_s * 1000}
            for i, field in enumerate(FIELDS):
                mean, low, high = values[3 * i : 3 * i + 3]
                if mean is not None:
                    point[field] = [round(float(mean), 2), float(low), float(high)]
            found.append(point)
        return found

    def limits(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """See `History`."""
        before = "lag(coalesce(limits, '') || coalesce(limit_set, '')) OVER (ORDER BY t, seq)"
        sql = (
            "SELECT t, limits, limit_set FROM (SELECT t, limits, limit_set, "  # noqa: S608 - no word of a user's in it
            f"coalesce(limits, '') || coalesce(limit_set, '') AS this, {before} AS former FROM vitals "
            "WHERE patient = %s AND t >= %s AND t < %s) AS steps WHERE former IS NULL OR this <> former ORDER BY t"
        )
        rows = self._ask(sql, patient, begin, end)
        return [{"t": epoch(t), "signs": bounds(str(name), limit_set)} for t, name, limit_set in rows]

    def alarms(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """See `History`."""
        names = "id n condition kind priority phase state inactivation started t message acted_by handover"
        return self._events("alarms", names, patient, begin, end)

    def notifications(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """See `History`."""
        names = "alarm n contact handover channels sns t accepted error state"
        return self._events("notifications", names, patient, begin, end)

    def actions(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        """See `History`."""
        names = "id act t acted_by alarm pause_s oxygen consciousness"
        return self._events("actions", names, patient, begin, end)

    def readings(
        self,
        patient: str,
        begin: int,
        end: int,
        *,
        limit: int,
        offset: int,
        oldest_first: bool = False,
        stored: Span = ALWAYS,
    ) -> list[dict[str, Any]]:
        """See `History`."""
        names = ("device", "boot", "seq", "t", "log_t", "suspect", *FIELDS)
        order = "t, device, boot, seq" if oldest_first else "t DESC, device, boot, seq DESC"
        sql = (
            f"SELECT {', '.join(names)} FROM vitals WHERE patient = %s AND t >= %s AND t < %s "  # noqa: S608 - our own names
            f"AND log_t >= %s AND log_t < %s ORDER BY {order} LIMIT {limit:d} OFFSET {offset:d}"
        )
        return [_plain(names, row) for row in self._ask(sql, patient, begin, end, *stored)]

    def count(self, patient: str, begin: int, end: int, groups: Sequence[Sequence[str]], stored: Span = ALWAYS) -> int:
        """See `History`."""
        reasons = f"({int(Suspect.DROPOUT)}, {int(Suspect.SENSOR_OFF)})"
        measured = (
            " OR ".join(f"{field} IS NOT NULL OR {doubt(field)} IN {reasons}" for field in group) for group in groups
        )
        parts = " + ".join(f"coalesce(sum(CASE WHEN {each} THEN 1 ELSE 0 END), 0)" for each in measured)
        sql = (
            f"SELECT {parts} FROM vitals WHERE patient = %s AND t >= %s AND t < %s "  # noqa: S608 - our own names
            "AND log_t >= %s AND log_t < %s"
        )
        return int(self._ask(sql, patient, begin, end, *stored)[0][0])

    def ward(self, patients: Sequence[str], begin: int, end: int, before_ms: int) -> WardRows:
        """See `History`."""
        with self._connection() as connection, connection.cursor() as cursor:
            return read(cursor, patients, begin, end, before_ms)

    def _events(self, table: str, names: str, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        columns = names.split()
        sql = f"SELECT {', '.join(columns)} FROM {table} WHERE patient = %s AND t >= %s AND t < %s ORDER BY t"  # noqa: S608 - our own names
        return [_plain(columns, row) for row in self._ask(sql, patient, begin, end)]

    def _ask(self, sql: str, patient: str, *times: int) -> list[tuple[Any, ...]]:
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(sql, (patient, *map(stamp, times)))
            return list(cursor.fetchall())

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Opens a read-only connection and always closes it, so that a recovered warehouse is used at once."""
        parts = urlsplit(self._url)
        driver = importlib.import_module("psycopg" if parts.scheme == "postgresql" else "redshift_connector")
        try:
            if parts.scheme == "postgresql":
                options = f"-c statement_timeout={STATEMENT_MS} -c default_transaction_read_only=on"
                connection = driver.connect(self._url, connect_timeout=TIMEOUT_S, options=options)
            else:
                connection = driver.connect(
                    host=parts.hostname,
                    port=parts.port or 5439,
                    database=parts.path.lstrip("/"),
                    user=unquote(parts.username or ""),
                    password=unquote(parts.password or ""),
                    timeout=TIMEOUT_S,
                )
            try:
                yield connection
            finally:
                connection.close()
        except (driver.Error, OSError) as error:
            raise HistoryDownError(f"The warehouse does not answer: {str(error).splitlines()[0]}") from error


def _plain(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: epoch(cell) if isinstance(cell, datetime) else cell for name, cell in zip(names, row, strict=True)}
