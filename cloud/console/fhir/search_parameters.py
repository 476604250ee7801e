"""FHIR search parameters, parsed strictly: an unsupported parameter is refused, never ignored."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cloud.console.fhir.resource_builders import CATEGORY, LOINC, codes
from vitals.bounds import digits
from vitals.signs import FIELDS

MOST: Final = 500
"""Maximum readings of one page."""
USUAL: Final = 100
KNOWN: Final = frozenset(
    "patient subject code date category _count _format _lastUpdated _offset _sort _summary _total".split()  # noqa: SIM905
)
SORTS: Final = {"-date": False, "date": True}
SUMMARIES: Final = frozenset(("true", "false", "data", "count"))
TOTALS: Final = frozenset(("none", "estimate", "accurate"))
FORMATS: Final = frozenset(("json", "application/json", "application/fhir+json"))
LAST: Final = 4_102_444_800_000
"""The year 2100: later than any measured value."""
_DATE: Final = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt)?(?P<y>\d{4})(-(?P<m>\d\d)(-(?P<d>\d\d)"
    r"(T(?P<H>\d\d):(?P<M>\d\d)(:(?P<S>\d\d)(?P<f>\.\d{1,9})?)?(?P<z>Z|[+-]\d\d:\d\d)?)?)?)?"
)


class SearchError(ValueError):
    """A parameter is not supported or invalid; `code` is FHIR's issue type."""

    def __init__(self, message: str, code: str = "value") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Search:
    """A search for Observations.

    Attributes:
        patient: FHIR id of the patient.
        signs: Requested signs.
        begin: From this time on, UTC epoch ms.
        end: Before this time, UTC epoch ms.
        count: Readings of a page.
        offset: Readings of the pages before.
        oldest_first: Ascending times.
        stored: Begin and end of the times of storage, UTC epoch ms.
        summary: Summary: true, false, data or count.
        total: Whether the number of all Observations is requested.
    """

    patient: str
    signs: frozenset[str]
    begin: int
    end: int
    count: int
    offset: int
    oldest_first: bool = False
    stored: tuple[int, int] = (0, LAST)
    summary: str = "false"
    total: bool = False


def parse(pairs: Iterable[tuple[str, str]]) -> Search:
    """Parses the parameters of `GET /fhir/Observation`.

    Raises:
        SearchError: One is unknown, missing, repeated or malformed.
    """
    given: dict[str, list[str]] = {}
    for raw, value in pairs:
        name = "subject" if raw == "subject:Patient" else raw
        if name not in KNOWN:
            raise SearchError(
                f"search parameter {name!r} is not supported; there are {', '.join(sorted(KNOWN))}", "not-supported"
            )
        given.setdefault(name, []).append(value)
    for name in KNOWN - {"date", "_lastUpdated"}:
        if len(given.get(name, [])) > 1:
            raise SearchError(f"search parameter {name!r} is given twice")
    if given.get("_format", ["json"])[0] not in FORMATS:
        raise SearchError("only JSON is spoken here", "not-supported")
    named = {value.removeprefix("Patient/") for name in ("patient", "subject") for value in given.get(name, [])}
    if len(named) != 1 or not (patient := named.pop()):
        raise SearchError("patient=… must name one patient", "required")
    begin, end = _span(given.get("date", []))
    sort = _choice(given, "_sort", SORTS, "-date")
    summary = _choice(given, "_summary", SUMMARIES, "false")
    total = _choice(given, "_total", TOTALS, "none")
    count = _number(given.get("_count", [str(USUAL)])[0], "_count", 0, MOST)
    _category(given.get("category", ["vital-signs"])[0])
    return Search(
        patient,
        _signs(given.get("code", [""])[0]),
        begin,
        end,
        count,
        _number(given.get("_offset", ["0"])[0], "_offset", 0, 10_000_000),
        SORTS[sort],
        _span(given.get("_lastUpdated", [])),
        # FHIR: a count of 0 is a summary count.
        summary if count else "count",
        total != "none",
    )


def _choice(given: Mapping[str, list[str]], name: str, known: Collection[str], usual: str) -> str:
    raw = given.get(name, [usual])[0]
    if raw not in known:
        raise SearchError(
            f"{name}={raw[:32]!r} is not supported; there are {', '.join(sorted(known))}", "not-supported"
        )
    return raw


def _signs(raw: str) -> frozenset[str]:
    if not raw:
        return frozenset(FIELDS)
    known = codes()
    found: set[str] = set()
    for token in raw.split(","):
        system, bar, code = token.rpartition("|")
        if not code or (bar and system != LOINC):
            raise SearchError(f"code {token!r} is not a LOINC code such as 8867-4 or {LOINC}|8867-4")
        # FHIR: a code without any measured sign finds nothing; it is no error.
        found.update(known.get(code, ()))
    return frozenset(found)


def _category(raw: str) -> None:
    if raw not in {"vital-signs", f"{CATEGORY}|vital-signs"}:
        raise SearchError(f"category {raw!r}: only vital-signs is supported")


def _number(raw: str, name: str, least: int, most: int) -> int:
    found = digits(raw, most)
    if found is None or found < least:
        raise SearchError(f"{name}={raw[:32]!r} is not a whole number from {least} to {most}")
    return found


def _span(dates: list[str]) -> tuple[int, int]:
    begin, end = 0, LAST
    for raw in dates:
        match = _DATE.fullmatch(raw)
        if match is None:
            raise SearchError(f"date {raw!r} is not [eq|ge|gt|le|lt]YYYY[-MM[-DD[Thh:mm[:ss][Z|+hh:mm]]]]")
        first, after = _interval(raw, match)
        prefix = match["prefix"] or "eq"
        if prefix in {"eq", "ge"}:
            begin = max(begin, first)
        if prefix == "gt":
            begin = max(begin, after)
        if prefix in {"eq", "le"}:
            end = min(end, after)
        if prefix == "lt":
            end = min(end, first)
    return begin, max(begin, end)


def _interval(raw: str, match: re.Match[str]) -> tuple[int, int]:
    """Returns the first ms of a date of any precision, and the first ms after it."""
    part = {key: int(value) for key, value in match.groupdict().items() if value and key in "ymdHMS"}
    zone = UTC
    try:
        if match["z"] and match["z"] != "Z":
            zone = datetime.fromisoformat(f"2000-01-01T00:00{match['z']}").tzinfo or UTC  # type: ignore[assignment] # a fixed offset is a timezone
        first = datetime(
            part["y"],
            part.get("m", 1),
            part.get("d", 1),
            part.get("H", 0),
            part.get("M", 0),
            part.get("S", 0),
            tzinfo=zone,
        )
        if match["f"]:
            first += timedelta(milliseconds=int(float(match["f"]) * 1000))
            after = first + timedelta(milliseconds=1)
        elif "S" in part:
            after = first + timedelta(seconds=1)
        elif "H" in part:
            after = first + timedelta(minutes=1)
        elif "d" in part:
            after = first + timedelta(days=1)
        elif "m" in part:
            after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        else:
            after = first.replace(year=first.year + 1)
    except (ValueError, OverflowError) as error:
        raise SearchError(f"date {raw!r}: {error}") from error
    return round(first.timestamp() * 1000), round(after.timestamp() * 1000)
