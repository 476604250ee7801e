"""Scenario of the latency measurement: every patient is stable except for one sudden breach."""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from infra.local.services import command
from infra.local.stack import LocalStack

STORY: Final = "sudden-bradycardia"
WELL_AGAIN_S: Final = 30.0
BRADYCARDIA: Final = 0.62
"""A resting rate falls to some 28/min: below the extreme limit of 40, above the rate that a monitor shows as zero."""


def gateways(count: int) -> tuple[str, ...]:
    """Returns gateways' names, one per ward."""
    return tuple(f"gw-{ward}" for ward in wards(count))


def wards(count: int) -> tuple[str, ...]:
    """Returns wards' names."""
    return tuple(f"w{number}" for number in range(count))


def people(stack: LocalStack, folder: Path, beds: Mapping[str, int], cadence_s: float, seed: int) -> Path:
    """Writes a file of invented patients, and applies a rota with one contact per ward for all priorities.

    Returns:
        Path of the patients' file.
    """
    chosen = ",".join(f"{ward}={count}" for ward, count in beds.items())
    words = ("--out", str(folder), "--wards", chosen, "--cadence", f"{cadence_s:g}", "--seed", str(seed))
    command(stack, "cloud", "samples", *words)
    rota = folder / "one-nurse-a-ward.csv"
    start = datetime.now(UTC) - timedelta(hours=1)
    with rota.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("ward", "contact", "name", "phone", "email", "priority", "step", "start", "end"))
        for ward in (*beds, "technical"):
            until = start + timedelta(days=1)
            phone, mail = "+44 1632 960000", f"{ward}@example.org"
            table.writerow(
                (ward, f"{ward}-nurse", "Nurse", phone, mail, "low", 0, start.isoformat(), until.isoformat())
            )
    command(stack, "cloud", "duty", str(rota))
    return folder / "roster.csv"


def plan(
    brokers: Mapping[str, str], beds: Mapping[str, int], *, duration_s: float, cadence_s: float, seed: int
) -> bytes:
    """Returns the devices' plan; breaches are distributed evenly over the run.

    Args:
        brokers: Address of each gateway's broker, by ward.
        beds: Beds of each ward.
        duration_s: From the first breach to the last, s.
        cadence_s: Seconds between two readings.
        seed: Seed of the patients.
    """
    names = [(ward, f"mon-{ward}-{number:02d}") for ward, count in beds.items() for number in range(1, count + 1)]
    # Consecutive breaches are on different gateways.
    names.sort(key=lambda name: name[1].rpartition("-")[2].zfill(5))
    devices: list[dict[str, Any]] = [
        {"device": device, "broker": brokers[ward], "story": STORY, "start_s": place * duration_s / len(names)}
        for place, (ward, device) in enumerate(names)
    ]
    frames = [
        # Until its story begins a device sends the first frame.
        {"at_s": 0, "phase": "stable"},
        {"at_s": 1, "phase": "onset", "bradycardia": BRADYCARDIA},
        {"at_s": WELL_AGAIN_S, "phase": "onset", "bradycardia": BRADYCARDIA},
        {"at_s": WELL_AGAIN_S + 1, "phase": "stable"},
    ]
    told = {"devices": devices, "seed": seed, "cadence_s": cadence_s, "simulator": "2026-11", "artefacts": {"scale": 0}}
    return json.dumps(told | {"stories": [{"name": STORY, "frames": frames}]}).encode()
