"""Scenarios that come with the simulator, by name. Each is a course that a ward knows; drives as in `physiology`."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from firmware_sim.patient.scenarios import BEFORE, Keyframe, Off, Scenario

_FOREVER_S: Final = 1e9
_HOUR_S: Final = 3600.0
_CONTINUOUS: Final = ("ecg", "oximeter", "impedance")
_REST: Final = ("impedance", "thermometer", "cuff")
STABLE: Final = Scenario("stable", (Keyframe(0, BEFORE),))


def bouts(name: str, count: int, every_s: float, lasting_s: float, **drive: float) -> Scenario:
    """Returns a scenario of bouts that come and go within seconds."""
    frames = [Keyframe(0, "well")]
    for k in range(count):
        begin = 600 + k * every_s
        frames += [
            Keyframe(begin, "well"),
            Keyframe(begin + 10, "bout", **drive),
            Keyframe(begin + lasting_s, "bout", **drive),
            Keyframe(begin + lasting_s + 10, "well"),
        ]
    return Scenario(name, tuple(frames))


def _sudden(name: str, off: tuple[Off, ...] = ()) -> Scenario:
    """Returns a calm patient with ventricular fibrillation: the heart stops within ten seconds."""
    return Scenario(name, (Keyframe(0, "calm"), Keyframe(10, "arrest", arrest=1)), off)


def _apnoeas(count: int, every_s: float) -> Scenario:
    """Returns apnoeas of an opioid in series: breathing all but stops, the saturation follows half a minute later."""
    frames = [Keyframe(0, "well")]
    for k in range(count):
        begin = 600 + k * every_s
        frames += [
            Keyframe(begin, "well"),
            Keyframe(begin + 15, "apnoea", depression=0.8),
            Keyframe(begin + 45, "apnoea", depression=0.8, hypoxia=4),
            Keyframe(begin + 110, "apnoea", depression=0.8, hypoxia=32),
            Keyframe(begin + 125, "breathing", hypoxia=30),
            Keyframe(begin + 170, "well"),
        ]
    return Scenario("serial-apnoea", tuple(frames))


NAMED: Final[dict[str, Scenario]] = {
    story.name: story
    for story in (
        STABLE,
        # Airway slowly closing: below 90 % after about 160 s, below 85 % after about 280 s, then treated.
        Scenario(
            "desaturation",
            (
                Keyframe(0, "falling"),
                Keyframe(420, "hypoxic", hypoxia=19),
                Keyframe(1800, "recovering", hypoxia=19),
                Keyframe(2400, "recovered"),
            ),
        ),
        # Six hours from fever over organ dysfunction to septic shock.
        Scenario(
            "sepsis",
            (
                Keyframe(0, "infection"),
                Keyframe(2 * _HOUR_S, "sepsis", fever=1.6, hypoxia=2),
                Keyframe(4 * _HOUR_S, "worsening", fever=2.5, hypoxia=4, vasodilation=0.5),
                Keyframe(6 * _HOUR_S, "shock", fever=2.6, hypoxia=6, vasodilation=0.95),
            ),
        ),
        Scenario(
            "haemorrhage",
            (
                Keyframe(0, "bleeding"),
                Keyframe(600, "compensated", loss=0.15),
                Keyframe(1500, "decompensating", loss=0.30),
                Keyframe(2400, "shock", loss=0.42),
            ),
        ),
        Scenario(
            "bradycardia",
            (
                Keyframe(0, "slowing"),
                Keyframe(120, "bradycardic", bradycardia=0.52),
                Keyframe(900, "recovering", bradycardia=0.52),
                Keyframe(1080, "recovered"),
            ),
        ),
        # A slow heart for a minute, then none.
        Scenario(
            "arrest",
            (
                Keyframe(0, "agonal"),
                Keyframe(60, "agonal", bradycardia=0.6, hypoxia=6),
                Keyframe(70, "arrest", bradycardia=0.6, hypoxia=10, arrest=1),
            ),
        ),
        # Found ill, treated, well again.
        Scenario(
            "recovery",
            (
                Keyframe(0, "ill", hypoxia=9, fever=1.8, vasodilation=0.2),
                Keyframe(300, "improving", hypoxia=9, fever=1.8, vasodilation=0.2),
                Keyframe(3600, "recovered"),
            ),
        ),
        Scenario("probe-off", (Keyframe(0, "probe-off"),), (Off("oximeter", 0, _FOREVER_S),)),
        Scenario(
            "probe-off-and-on",
            (Keyframe(0, "probe-off"), Keyframe(120, "probe-on")),
            (Off("oximeter", 0, 120),),
        ),
        # Taken off the monitor for an examination: every sensor is off for ten minutes.
        Scenario(
            "transport",
            (Keyframe(0, "off the monitor"), Keyframe(600, "back")),
            tuple(Off(sensor, 0, 600) for sensor in (*_CONTINUOUS, "thermometer", "cuff")),
        ),
        # Sudden arrest, out of calm: zeros; signs absent without a report; a monitor with only ECG and oximeter.
        _sudden("sudden-arrest"),
        _sudden("sudden-arrest-absent", tuple(Off(s, 10, _FOREVER_S, reported=False) for s in _CONTINUOUS)),
        _sudden("sudden-arrest-two-sensors", tuple(Off(s, -_FOREVER_S, _FOREVER_S, reported=False) for s in _REST)),
        _apnoeas(20, 400),
        # A re-entry at some 130 beats is treated, and turns within seconds into a block.
        Scenario(
            "tachycardia-to-block",
            (
                Keyframe(0, "well"),
                Keyframe(900, "well"),
                Keyframe(905, "tachycardia", tachycardia=57),
                Keyframe(2400, "tachycardia", tachycardia=57),
                Keyframe(2405, "block", bradycardia=0.42),
                Keyframe(4200, "block", bradycardia=0.42),
                Keyframe(4260, "well"),
            ),
        ),
        # A shock is treated with too much of a pressor.
        Scenario(
            "shock-to-pressor",
            (
                Keyframe(0, "well"),
                Keyframe(900, "shock", vasodilation=0.8),
                Keyframe(3600, "shock", vasodilation=0.8),
                Keyframe(3700, "pressor", pressor=0.8),
                Keyframe(6000, "pressor", pressor=0.8),
                Keyframe(6300, "well"),
            ),
        ),
        # From well to septic shock within an hour.
        Scenario(
            "septic-hour",
            (
                Keyframe(0, "well"),
                Keyframe(300, "infection"),
                Keyframe(3600, "shock", fever=2.9, hypoxia=13, vasodilation=0.95),
                Keyframe(4200, "shock", fever=2.9, hypoxia=13, vasodilation=0.95),
            ),
        ),
        # The fever is known and acknowledged when the bleeding begins.
        Scenario(
            "bleed-in-fever",
            (
                Keyframe(0, "fever", fever=2.6),
                Keyframe(5400, "fever", fever=2.6),
                Keyframe(6600, "bleeding", fever=2.6, loss=0.2),
                Keyframe(9000, "shock", fever=2.6, loss=0.4),
            ),
        ),
        # Two problems within a minute: a lung's artery is closed, oxygen and pressure fall together.
        Scenario(
            "embolism",
            (
                Keyframe(0, "well"),
                Keyframe(600, "well"),
                Keyframe(660, "shock", hypoxia=13, vasodilation=0.75, tachycardia=15),
                Keyframe(3600, "shock", hypoxia=13, vasodilation=0.75, tachycardia=15),
                Keyframe(5400, "recovered"),
            ),
        ),
        # A plugged airway is cleared, and closes again forty minutes later.
        Scenario(
            "relapse",
            (
                Keyframe(0, "falling"),
                Keyframe(240, "hypoxic", hypoxia=16),
                Keyframe(1200, "hypoxic", hypoxia=16),
                Keyframe(1500, "recovered"),
                Keyframe(3900, "recovered"),
                Keyframe(4140, "hypoxic", hypoxia=18),
                Keyframe(5400, "hypoxic", hypoxia=18),
                Keyframe(6000, "recovered"),
            ),
        ),
        # Sixteen hours from infection to shock.
        Scenario(
            "slow-sepsis",
            (
                Keyframe(0, "infection"),
                Keyframe(6 * _HOUR_S, "sepsis", fever=1.2, hypoxia=1),
                Keyframe(12 * _HOUR_S, "worsening", fever=2.2, hypoxia=4, vasodilation=0.4),
                Keyframe(16 * _HOUR_S, "shock", fever=2.4, hypoxia=6, vasodilation=0.95),
            ),
        ),
    )
}


def load(source: str, own: dict[str, Scenario] | None = None) -> Scenario:
    """Returns a scenario by name, or reads it from a TOML or JSON file.

    Raises:
        ValueError: The name or file does not exist, or the file is no scenario; the message names it.
    """
    known = NAMED | (own or {})
    if source in known:
        return known[source]
    path = Path(source)
    if path.suffix not in {".toml", ".json"}:
        raise ValueError(f"unknown story {source!r}; known are {', '.join(known)}, or a .toml or .json file")
    try:
        raw = tomllib.loads(path.read_text()) if path.suffix == ".toml" else msgspec.json.decode(path.read_bytes())
        return msgspec.convert(raw, Scenario)
    except FileNotFoundError as error:
        raise ValueError(f"story file {source} does not exist") from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"story file {source} cannot be read: {error}") from error
