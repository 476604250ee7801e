"""`python -m cloud admit roster.csv`: admissions into topic `patients`."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from cloud.cli.csv_reader import Table, flag, moment, number, read
from cloud.kafka import partitions
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Writer
from cloud.settings import Kafka
from vitals.admissions import Admission
from vitals.bounds import clean, encoded
from vitals.bounds import name as named
from vitals.limits import Limit, profile
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.signs import FIELDS, INDEX
from vitals.wire import topics

REQUIRED: Final = frozenset(("patient", "name", "born", "phone", "address", "ward", "bed", "gateway", "devices"))
OPTIONAL: Final = frozenset(("since", "cadence_s", "cuff_s", "profile", "overrides", "scale2", "oxygen", "canary"))
OLDEST_YEARS: Final = 130
COLUMNS: Final = f"CSV with {', '.join(sorted(REQUIRED))}; it may have {', '.join(sorted(OPTIONAL))}"


def parse(lines: Iterable[str], now: int) -> Table[Admission]:
    """Reads a roster.

    Args:
        lines: Lines of the CSV file; columns as `REQUIRED` and `OPTIONAL` name them.
        now: UTC epoch ms; the version, and `since` where a row has none.
    """
    table = read(lines, lambda cells: admission_row(cells, now), required=REQUIRED, optional=OPTIONAL)
    rows: list[tuple[int, Admission]] = []
    errors = list(table.errors)
    taken: dict[tuple[str, str], int] = {}
    for line, admission in table.rows:
        claims = [("patient", admission.patient), ("bed", admission.bed)]
        claims += [("device", device) for device in admission.devices]
        clash = next((claim for claim in claims if claim in taken), None)
        if clash:
            errors.append(f"line {line}: {clash[0]} {clash[1]} is already in line {taken[clash]}")
            continue
        taken.update(dict.fromkeys(claims, line))
        rows.append((line, admission))
    return Table(tuple(rows), tuple(sorted(errors, key=lambda e: int(e.split()[1].rstrip(":")))))


def admission_row(cells: Mapping[str, str], now: int) -> Admission:
    """Reads one row of a roster.

    Args:
        cells: By column; those of `OPTIONAL` may be missing.
        now: UTC epoch ms; the version, and `since` where the row has none.

    Raises:
        ValueError: A cell is wrong; the message says which.
    """
    devices = tuple(device for device in cells["devices"].replace(";", " ").split() if device)
    if len(set(devices)) != len(devices):
        raise ValueError(f"devices {cells['devices']!r} names a device twice")
    name = cells.get("profile") or "adult"
    made = Admission(
        patient=named(cells["patient"], "patient"),
        version=now,
        name=clean(cells["name"]),
        born=_born(cells["born"], now),
        phone=_phone(cells["phone"]),
        address=clean(cells["address"]),
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
        canary=flag(cells, "canary"),
    )
    # What cannot be written is told with its line, and here.
    encoded(made)
    return made


def _born(raw: str, now: int) -> str:
    try:
        born = date.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"born {raw!r} is not a date such as 1958-03-21") from None
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    if not 0 <= today.year - born.year <= OLDEST_YEARS or born > today:
        raise ValueError(f"born {raw!r} makes an age that nobody has")
    return born.isoformat()


def _phone(raw: str) -> str:
    if not set(raw) <= set("+0123456789 ()-./") or sum(c in "0123456789" for c in raw) < 3:  # noqa: PLR2004 - 112
        raise ValueError(f"phone {raw!r} is no phone number")
    return raw


def overrides(raw: str, base: str) -> dict[str, Limit]:
    """Reads limits that replace a profile's, `spo2=80:85::;hr=40:50:110:130`, delays staying.

    Args:
        raw: Per sign: extreme low, low, high, extreme high, empty for no bound.
        base: Name of the profile.

    Raises:
        ValueError: A sign is unknown, a bound is no number, or bounds contradict each other.
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
        KafkaUnavailableError: Kafka did not take them all.
        ValueError: An admission does not read back as it is; nothing is written of it.
    """
    for admission in admissions:
        partition = settings.layout.partition(admission.patient)
        writer.write((topics.PATIENTS, partition), admission.patient.encode(), encoded(admission))
    writer.flush()


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud admit", description=__doc__)
    parser.add_argument(
        "roster", type=Path, help=f"CSV: {', '.join(sorted(REQUIRED))}; may: {', '.join(sorted(OPTIONAL))}"
    )
    parser.add_argument("--skip-bad", action="store_true", help="load the good rows even when others are bad")
    arguments = parser.parse_args(argv)
    log_json("admit")
    try:
        settings = load(Kafka, environ)
        with arguments.roster.open(encoding="utf-8-sig", newline="") as file:
            table = parse(file, now_ms())
        sys.stderr.writelines(f"{arguments.roster}: {error}\n" for error in table.errors)
        if table.errors and not arguments.skip_bad:
            sys.stderr.write(f"{arguments.roster}: nothing was loaded; correct it, or use --skip-bad\n")
            return 1
        partitions.check(settings)
        publish(KafkaWriter(settings, "admit"), [admission for _, admission in table.rows], settings)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"admit: {error}\n")
        return 1
    sys.stdout.write(f"admitted {len(table.rows)} patients\n")
    return 1 if table.errors else 0
