"""A life of true states, as `judge.py` defines it, from the ledger that the simulated devices keep.

A reading's moment is the machine's, not the device's, whose clock a fault may have moved. Where a device was down, and
made no reading, nothing is known: its row goes on at its cadence with nothing heard and nothing shown.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

SIGNS: Final = ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp", "map")
NO: Final = float("nan")
ADULT: Final = (
    (40, 50, 120, 140),
    (40, 50, 120, 140),
    (6, 8, 30, 35),
    (85, 90, NO, NO),
    (NO, 35, 39, NO),
    (80, 90, 160, 200),
    (NO, NO, NO, NO),
    (NO, 60, 110, NO),
)
"""Limits in force of an adult, by sign: extreme low, low, high, extreme high; a diastolic alone is no problem (R1)."""
HANDED_OVER_MS: Final = 10_000
"""A reading that the gateway's broker took on later than this is history to whoever judges."""
NO_PULSE: Final = 15.0
"""A heart rate below it circulates nothing; no monitor counts it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Assignment of a device.

    Attributes:
        patient: Patient.
        bed: Bed.
        gateway: Gateway.
        line: Whether pressures come from an arterial line.
    """

    patient: str
    bed: str
    gateway: str
    line: bool = True


@dataclass(slots=True)
class Device:
    """Readings of one device, in order."""

    story: str = ""
    t: list[int] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    shown: list[list[float]] = field(default_factory=list)
    state: list[list[float]] = field(default_factory=list)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yields a ledger's whole lines; one that is cut short was never true."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def life(lines: Iterable[Mapping[str, Any]], people: Mapping[str, Person], cadence_s: float) -> dict[str, Any]:
    """Returns the life of everybody whose device is named.

    Args:
        lines: A ledger's.
        people: By device.
        cadence_s: Seconds between two readings of a device.

    Returns:
        The arrays of `judge.py`: (n,), (n, m), (n, m, 8); `arrived` is true where a reading was made at all.

    Raises:
        ValueError: No device of these made any reading.
    """
    made: dict[str, Device] = {device: Device() for device in people}
    taken: dict[tuple[str, int, int], int] = {}
    for line in lines:
        if line.get("k") == "sent" and line["device"] in made:
            _note(made[line["device"]], line)
        elif line.get("k") == "ack" and line["device"] in made:
            taken[line["device"], line["boot"], line["seq"]] = line["at"]
    m = max((len(device.t) for device in made.values()), default=0)
    if not m:
        raise ValueError("the ledger has no reading of any of these devices")
    rows = [_row(name, device, m, taken, cadence_s) for name, device in made.items()]
    whole = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return whole | {
        "cadence_s": np.float64(cadence_s),
        "patients": np.array([person.patient for person in people.values()]),
        "story": np.array([device.story or "stable" for device in made.values()]),
        "line": np.array([person.line for person in people.values()]),
        "limits": np.array([ADULT] * len(people), dtype=float),
    }


def _note(device: Device, line: Mapping[str, Any]) -> None:
    gaps = set(line.get("unmeasured", ()))
    truth = [NO if value is None or sign in gaps else value for sign, value in zip(SIGNS, line["truth"], strict=True)]
    device.story = line["story"]
    device.t.append(line["at"])
    device.keys.append((line["boot"], line["seq"]))
    # Without a pulse an oximeter has no value, and shows zero.
    found = [NO if value == 0 and sign in {"pr", "spo2"} else value for sign, value in zip(SIGNS, truth, strict=True)]
    device.shown.append(found)
    state = line["state"] or [NO] * len(SIGNS)
    device.state.append([NO if sign in gaps else value for sign, value in zip(SIGNS, state, strict=True)])


def _row(
    name: str, device: Device, m: int, taken: Mapping[tuple[str, int, int], int], cadence_s: float
) -> dict[str, Any]:
    known, short = len(device.t), m - len(device.t)
    last = device.t[-1] if known else 0
    nothing = [[NO] * len(SIGNS)] * short
    state = np.array(device.state + nothing, dtype=float).reshape(m, len(SIGNS))
    late = [taken.get((name, *key), 1 << 60) - at for key, at in zip(device.keys, device.t, strict=True)]
    return {
        "t": np.array(device.t + [last + round(1000 * cadence_s * (k + 1)) for k in range(short)], dtype=np.int64),
        "shown": np.array(device.shown + nothing, dtype=float).reshape(m, len(SIGNS)),
        "state": state,
        "pulse": ~(state[:, 0] < NO_PULSE),
        "heard": np.array([ms <= HANDED_OVER_MS for ms in late] + [False] * short),
        "arrived": np.array([True] * known + [False] * short),
    }


def people(rows: Sequence[Mapping[str, str]]) -> dict[str, Person]:
    """Returns who is on each device, from a roster's rows.

    Raises:
        ValueError: Somebody's limits are not those of an adult, which are all that is known here.
    """
    found: dict[str, Person] = {}
    for row in rows:
        if row.get("canary") == "yes":
            continue
        if row["profile"] != "adult" or row.get("overrides"):
            raise ValueError(f"{row['patient']}: the limits of profile {row['profile']!r} are not known to the truth")
        person = Person(row["patient"], row["bed"], row["gateway"], float(row.get("cuff_s") or 0) == 0)
        found |= dict.fromkeys(row["devices"].split(";"), person)
    return found
