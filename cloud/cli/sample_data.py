"""`python -m cloud samples`: a roster and a rota of invented people, the same for the same seed.

Phone numbers are in the range that is reserved for fiction (+44 1632 960xxx), e-mail addresses in example.org.
"""

import argparse
import csv
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

FIRST: Final = "Ada Bela Chidi Dora Emil Farah Goran Hana Ilse Jun Kofi Lena Mirko Nia Otto Priya Rosa Samir Tove Yusuf"
LAST: Final = "Ashdown Brandt Castell Dunmore Eklund Farrow Grieg Hollis Imber Jarrow Kestrel Lomax Merriman Norland"
STREETS: Final = "Alder Birch Cedar Elm Hazel Juniper Larch Maple Rowan Willow"
STAFF: Final = (("nurse", "low", 0), ("registrar", "medium", 0), ("consultant", "high", 1))
"""Role, lowest priority to notify of, step of escalation."""
ENGINEERS: Final = (("engineer", "low", 0),)
ROTA_DAYS: Final = 30


def roster(wards: Mapping[str, int], seed: int, cadence_s: float) -> list[dict[str, str]]:
    """Returns rows of a roster.

    Args:
        wards: Beds per ward.
        seed: Same seed, same people.
        cadence_s: Seconds between two readings.
    """
    chance = random.Random(seed)  # noqa: S311 - invented people, not secrets
    rows: list[dict[str, str]] = []
    for ward, beds in wards.items():
        for number in range(1, beds + 1):
            bed = f"{ward}-{number:02d}"
            age_days = chance.randint(18 * 365, 95 * 365)
            rows.append(
                {
                    "patient": f"p-{len(rows) + 1:05d}",
                    "name": f"{chance.choice(FIRST.split())} {chance.choice(LAST.split())}",
                    "born": (datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=age_days)).date().isoformat(),
                    "phone": f"+44 1632 960{chance.randint(0, 999):03d}",
                    "address": f"{chance.randint(1, 200)} {chance.choice(STREETS.split())} Road, Anytown",
                    "ward": ward,
                    "bed": bed,
                    "gateway": f"gw-{ward}",
                    "devices": f"mon-{bed}",
                    "cadence_s": f"{cadence_s:g}",
                    "cuff_s": "0",
                    "profile": "adult",
                    "overrides": "",
                    "scale2": "no",
                    "oxygen": "no",
                    "canary": "no",
                }
            )
    return rows


def rota(wards: Sequence[str], seed: int, start: datetime) -> list[dict[str, str]]:
    """Returns rows of a rota for 30 days from `start`; ward "technical" is notified of equipment."""
    chance = random.Random(seed + 1)  # noqa: S311 - invented people, not secrets
    rows = []
    for ward in (*wards, "technical"):
        for role, priority, step in ENGINEERS if ward == "technical" else STAFF:
            rows.append(
                {
                    "ward": ward,
                    "contact": f"{ward}-{role}",
                    "name": f"{chance.choice(FIRST.split())} {chance.choice(LAST.split())}",
                    "start": start.isoformat(),
                    "end": (start + timedelta(days=ROTA_DAYS)).isoformat(),
                    "phone": _phone(chance),
                    "email": f"{role}.{ward}@example.org",
                    "priority": priority,
                    "step": str(step),
                }
            )
    return rows


def _phone(chance: random.Random) -> str:
    # Of Ofcom's invented numbers. One that ends in 99 has opted out of SMS at moto.
    number = chance.randint(0, 999)
    return f"+441632960{number - (number % 100 == 99):03d}"  # noqa: PLR2004 - see above


def write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Writes rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def wards(raw: str) -> dict[str, int]:
    """Parses `icu=12,med=12`.

    Raises:
        ValueError: It is not of that form.
    """
    try:
        found = {name: int(beds) for name, beds in (part.split("=") for part in raw.split(","))}
    except ValueError:
        raise ValueError(f"{raw!r} is not of the form icu=12,med=12") from None
    if not all(name.isidentifier() and 0 < beds < 100_000 for name, beds in found.items()):  # noqa: PLR2004 - 5 digits
        raise ValueError(f"{raw!r}: a ward is a plain word, with 1 to 99,999 beds")
    return found


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud samples", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for roster.csv and rota.csv")
    parser.add_argument("--wards", default="icu=12,med=12", help="beds per ward (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same people (default: %(default)s)")
    parser.add_argument("--cadence", type=float, default=2.0, help="s between readings (default: %(default)s)")
    parser.add_argument("--start", help="begin of the rota, ISO 8601 with offset (default: today, 00:00 UTC)")
    arguments = parser.parse_args(argv)
    try:
        beds = wards(arguments.wards)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        start = datetime.fromisoformat(arguments.start) if arguments.start else today
        arguments.out.mkdir(parents=True, exist_ok=True)
        people = roster(beds, arguments.seed, arguments.cadence)
        write(arguments.out / "roster.csv", people)
        write(arguments.out / "rota.csv", rota(list(beds), arguments.seed, start))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"samples: {error}\n")
        return 1
    sys.stdout.write(f"{len(people)} patients in {arguments.out}/roster.csv, their rota in {arguments.out}/rota.csv\n")
    return 0
