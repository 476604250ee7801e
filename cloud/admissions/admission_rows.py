"""Admissions: rows of a roster to checked values, and those to topic `patients`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from cloud.admissions.csv_reader import Table, flag, moment, number, read
from cloud.kafka.port import Writer
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission
from vitals.bounds import clean, encoded
from vitals.bounds import name as named
from vitals.limits import PROFILE_INDEX, Limit, profile
from vitals.signs import FIELDS, INDEX
from vitals.wire import topics

REQUIRED: Final = frozenset(("patient", "name", "ward", "bed", "gateway", "devices"))
OPTIONAL: Final = frozenset(
    (
        "born", "phone", "address", "since", "cadence_s", "cuff_s", "profile", "overrides", "scale2", "oxygen", "news2",
        "canary",
    )
)  # fmt: skip
OLDEST_YEARS: Final = 130
PROFILE_FROM_YEARS: Final = ((16, "adult"), (12, "adolescent"), (3, "child"), (1, "toddler"), (0, "infant"))
"""Profile of an admission without one, by the age in full years from which it applies."""
LATEST_ZONE: Final = timedelta(hours=14)
COLUMNS: Final = f"CSV with {', '.join(sorted(REQUIRED))}; it may have {', '.join(sorted(OPTIONAL))}"


Stated = tuple[Admission, frozenset[str]]
"""An admission, and the columns of its row with a value."""


def parse(lines: Iterable[str], now: int) -> Table[Stated]:
    """Parses a roster.

    Args:
        lines: Lines of the CSV file; columns as in `REQUIRED` and `OPTIONAL`.
        now: UTC epoch ms; the version, and the default of `since`.
    """

    def build(cells: Mapping[str, str]) -> Stated:
        return admission_row(cells, now), frozenset(name for name, cell in cells.items() if cell)

    table = read(lines, build, required=REQUIRED, optional=OPTIONAL)
    rows: list[tuple[int, Stated]] = []
    errors = list(table.errors)
    taken: dict[tuple[str, str], int] = {}
    for line, row in table.rows:
        admission, _ = row
        claims = [("patient", admission.patient), ("bed", admission.bed)]
        claims += [("device", device) for device in admission.devices]
        clash = next((claim for claim in claims if claim in taken), None)
        if clash:
            errors.append(f"line {line}: {clash[0]} {clash[1]} is already in line {taken[clash]}")
            continue
        taken.update(dict.fromkeys(claims, line))
        rows.append((line, row))
    return Table(tuple(rows), tuple(sorted(errors, key=lambda e: int(e.split()[1].rstrip(":")))))


def admission_row(cells: Mapping[str, str], now: int) -> Admission:
    """Parses one row of a roster.

    Args:
        cells: By column; those of `OPTIONAL` may be missing.
        now: UTC epoch ms; the version, and the default of `since`.

    Raises:
        ValueError: A cell is invalid; the message contains its column.
    """
    devices = tuple(device for device in cells["devices"].replace(";", " ").split() if device)
    if len(set(devices)) != len(devices):
        raise ValueError(f"devices {cells['devices']!r} names a device twice")
    born = _born(cells.get("born", ""), now)
    name = cells.get("profile") or usual_profile(born, now)
    made = Admission(
        patient=named(cells["patient"], "patient"),
        version=now,
        name=clean(cells["name"]),
        born=born,
        phone=_phone(cells.get("phone", "")),
        address=clean(cells.get("address", "")),
        ward=named(cells["ward"], "ward"),
        bed=named(cells["bed"], "bed"),
        gateway=named(cells["gateway"], "gateway"),
        devices=tuple(named(device, "device") for device in devices),
        since=moment(cells, "since") if cells.get("since") else now,
        cadence_s=number(cells, "cadence_s", 30.0),
        cuff_s=number(cells, "cuff_s", 0.0),
        profile=name,
        overrides=overrides(cells.get("overrides", ""), name),
        scale2=flag(cells, "scale2"),
        oxygen=flag(cells, "oxygen"),
        news2=flag(cells, "news2", "yes"),
        canary=flag(cells, "canary"),
    )
    # An admission that cannot be encoded must fail here, where its line is known.
    encoded(made)
    return made


def usual_profile(born: str, now: int) -> str:
    """Returns the profile that an age has, for an admission without one.

    Args:
        born: Date of birth, ISO 8601; empty for an unknown one.
        now: UTC epoch ms.

    Raises:
        ValueError: The date of birth is unknown: a person must choose.
    """
    if not born:
        raise ValueError(f"profile must be given where the date of birth is unknown: {', '.join(PROFILE_INDEX)}")
    birth, today = date.fromisoformat(born), datetime.fromtimestamp(now / 1000, UTC).date()
    years = max(0, today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day)))
    return next(name for least, name in PROFILE_FROM_YEARS if years >= least)


def _born(raw: str, now: int) -> str:
    if not raw:
        return ""
    try:
        born = date.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"born {raw!r} is not a date such as 1958-03-21") from None
    # Somewhere on Earth it is already tomorrow, and a newborn there was born then.
    today = (datetime.fromtimestamp(now / 1000, UTC) + LATEST_ZONE).date()
    if not 0 <= today.year - born.year <= OLDEST_YEARS or born > today:
        raise ValueError(f"born {raw!r} makes an age that nobody has")
    return born.isoformat()


def _phone(raw: str) -> str:
    if not raw:
        return ""
    if not set(raw) <= set("+0123456789 ()-./") or sum(c in "0123456789" for c in raw) < 3:  # noqa: PLR2004 - 112
        raise ValueError(f"phone {raw!r} is no phone number")
    return raw


def overrides(raw: str, base: str) -> dict[str, Limit]:
    """Parses limits that replace a profile's, `spo2=80:85::;hr=40:50:110:130`; delays remain those of the profile.

    Args:
        raw: Per sign: extreme low, low, high, extreme high, empty for no limit.
        base: Name of the profile.

    Raises:
        ValueError: A sign is unknown, a limit is no number, or limits contradict each other.
    """
    found = {}
    limits = profile(base).limits
    for entry in filter(None, (part.strip() for part in raw.split(";"))):
        field, _, bounds = entry.partition("=")
        cells = bounds.split(":")
        if field not in INDEX or len(cells) != 4:  # noqa: PLR2004 - the four bounds
            raise ValueError(f"overrides {entry!r} is not sign=extreme-low:low:high:extreme-high; signs: {FIELDS}")
        try:
            low2, low, high, high2 = (float(cell) if cell.strip() else None for cell in cells)
        except ValueError:
            raise ValueError(f"overrides {entry!r} has a bound that is no number") from None
        kept = limits[INDEX[field]]
        found[field] = Limit(low2, low, high, high2, kept.delay_s)
    return found


def publish(writer: Writer, admissions: Iterable[Admission], settings: Kafka) -> None:
    """Writes admissions to `patients`, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not acknowledge them all.
        ValueError: An admission does not decode to the same admission; it is not written.
    """
    for admission in admissions:
        partition = settings.layout.partition(admission.patient)
        writer.write((topics.PATIENTS, partition), admission.patient.encode(), encoded(admission))
    writer.flush()
