"""The plan of a run: devices, brokers and scenarios. Written by hand, by flags, or by a demo."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from firmware_sim.broker import Tls
from firmware_sim.faults import Fault
from firmware_sim.patient import stories
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.calibration import NEWEST, Calibration, calibration
from firmware_sim.patient.scenarios import Scenario
from vitals.signs import FIELDS

DEFAULT_CADENCE_S: Final = 30.0
_MAX_ID: Final = 128


class DevicePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One device.

    Attributes:
        device: Device id; also its MQTT client id.
        broker: `mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS; `{device}` in user or password is replaced
            by the device id.
        story: Name of a scenario (built in or of the plan) or a scenario file; None for a stable patient.
        start_s: Second of the run at which the scenario begins.
        speed: Clinical seconds of the scenario per second of the run.
        cadence_s: Seconds between readings; None for the plan's.
        cuff_s: Seconds between cuff pressures, 0 for an arterial line (continuous); None for the plan's.
        signs: Signs that it measures.
        baseline: Resting values that are given instead of drawn.
        faults: Its faults, in addition to the plan's.
        replay: Recording to play in place of a simulated patient: monitor numerics as CSV, or a WFDB record.
        replay_speed: Recorded seconds per second of the run.
    """

    device: str
    broker: str
    story: str | None = None
    start_s: float = 0.0
    speed: float = 1.0
    cadence_s: float | None = None
    cuff_s: float | None = None
    signs: tuple[str, ...] = FIELDS
    baseline: dict[str, float] = {}
    faults: tuple[Fault, ...] = ()
    replay: str | None = None
    replay_speed: float = 1.0

    def __post_init__(self) -> None:
        if not self.device or len(self.device) > _MAX_ID or any(c in self.device for c in "/#+\0"):
            raise ValueError(f"device {self.device!r} must be 1 to {_MAX_ID} characters without / # +")
        url = urlsplit(self.broker)
        if url.scheme not in {"mqtt", "mqtts"} or not url.hostname:
            raise ValueError(f"device {self.device}: broker {self.broker!r} is not mqtt://host[:port] or mqtts://…")
        unknown = [field for field in self.signs if field not in FIELDS]
        if unknown:
            raise ValueError(f"device {self.device}: unknown signs {', '.join(unknown)}; known are {', '.join(FIELDS)}")
        if not (self.speed > 0 and self.replay_speed > 0 and (self.cadence_s is None or self.cadence_s > 0)):
            raise ValueError(f"device {self.device}: speed and cadence must be positive")
        if self.cuff_s is not None and self.cuff_s < 0:
            raise ValueError(f"device {self.device}: cuff interval {self.cuff_s} s is negative")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A run.

    Attributes:
        devices: The devices, each id once.
        seed: Seed of all randomness but the boot numbers.
        cadence_s: Seconds between two readings of a device.
        cuff_s: Seconds between two cuff pressures; 0 for arterial lines.
        simulator: Parameter set of bodies and monitors (`patient.calibration`).
        artefacts: Artefact rates that are not the parameter set's, by name (`Rates`); `scale` is a factor on all.
        faults: Faults of every device.
        stories: Scenarios in addition to the built-in ones.
        outbox: Readings that a device can hold unacknowledged; the oldest are dropped first.
        tls: Certificates, for brokers behind `mqtts://`.
    """

    devices: tuple[DevicePlan, ...]
    seed: int = 1
    cadence_s: float = DEFAULT_CADENCE_S
    cuff_s: float = 0.0
    simulator: str = NEWEST.name
    artefacts: dict[str, float] = {}
    faults: tuple[Fault, ...] = ()
    stories: tuple[Scenario, ...] = ()
    outbox: int = 3600
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        ids = [device.device for device in self.devices]
        twice = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
        if twice:
            raise ValueError(f"devices are in the plan twice: {', '.join(twice)}")
        if not ids:
            raise ValueError("the plan has no devices")
        if not self.cadence_s > 0 or self.cuff_s < 0 or self.outbox < 1:
            raise ValueError("cadence must be positive, cuff interval not negative, outbox at least 1")
        unknown = [name for name in self.artefacts if name not in Rates.__struct_fields__]
        if unknown:
            raise ValueError(
                f"unknown artefact rates {', '.join(unknown)}; known are {', '.join(Rates.__struct_fields__)}"
            )
        self.rates()

    def model(self) -> Calibration:
        """Returns the parameter set.

        Raises:
            ValueError: There is none of that name.
        """
        return calibration(self.simulator)

    def rates(self) -> Rates:
        """Returns the artefact rates: the parameter set's, but for those that the plan names.

        Raises:
            ValueError: A rate is impossible, or there is no such parameter set.
        """
        return msgspec.structs.replace(self.model().rates, **self.artefacts)

    def story(self, device: DevicePlan) -> Scenario:
        """Returns a device's scenario.

        Raises:
            ValueError: The scenario does not exist.
        """
        if device.story is None:
            return stories.STABLE
        return stories.load(device.story, {story.name: story for story in self.stories})


def load(path: Path) -> Plan:
    """Reads a plan from a TOML or JSON file.

    Raises:
        ValueError: The file is missing or no plan; the message names the place.
    """
    try:
        if path.suffix == ".toml":
            return msgspec.convert(tomllib.loads(path.read_text()), Plan)
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError as error:
        raise ValueError(f"plan {path} does not exist") from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"plan {path} cannot be read: {error}") from error


def dump(plan: Plan) -> bytes:
    """Writes a plan as JSON."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=1)


_WARD = re.compile(r"(?P<ward>[\w-]+)=(?P<count>\d+)@(?P<broker>.+)", re.ASCII)
_STORY = re.compile(r"((?P<device>[^:@]+):)?(?P<story>[^@:]+?)(@(?P<start>[\d.]+)(x(?P<speed>[\d.]+))?)?", re.ASCII)


def ward(word: str) -> tuple[DevicePlan, ...]:
    """Parses `WARD=COUNT@BROKER`: devices `mon-WARD-01` … on that broker.

    Raises:
        ValueError: The text has another form.
    """
    match = _WARD.fullmatch(word)
    if match is None:
        raise ValueError(f"ward {word!r} cannot be read: write WARD=COUNT@BROKER, such as icu=12@mqtt://127.0.0.1:1883")
    return tuple(
        DevicePlan(device=f"mon-{match['ward']}-{n:02d}", broker=match["broker"])
        for n in range(1, int(match["count"]) + 1)
    )


def with_stories(devices: tuple[DevicePlan, ...], words: list[str]) -> tuple[DevicePlan, ...]:
    """Assigns scenarios to devices, each `[DEVICE:]STORY[@START_S[xSPEED]]`; without a device the next free one.

    Raises:
        ValueError: A text has another form, names no device, or there are more scenarios than devices.
    """
    told: dict[str, DevicePlan] = {}
    free = {device.device: device for device in devices}
    for word in sorted(words, key=lambda w: ":" not in w):
        match = _STORY.fullmatch(word)
        if match is None:
            raise ValueError(f"story {word!r} cannot be read: write [DEVICE:]STORY[@START_S[xSPEED]]")
        name = match["device"] or next(iter(free), "")
        if name not in free:
            raise ValueError(f"story {word!r}: " + (f"no device {name!r} is free" if name else "no device is left"))
        told[name] = msgspec.structs.replace(
            free.pop(name),
            story=match["story"],
            start_s=float(match["start"] or 0),
            speed=float(match["speed"] or 1),
        )
    return tuple(told.get(device.device, device) for device in devices)


def with_faults(plan: Plan, words: Mapping[str, tuple[Fault, ...]]) -> Plan:
    """Adds faults to devices by id; those under "" apply to every device.

    Raises:
        ValueError: A device does not exist.
    """
    unknown = words.keys() - {d.device for d in plan.devices} - {""}
    if unknown:
        raise ValueError(f"faults for unknown devices: {', '.join(sorted(unknown))}")
    devices = tuple(msgspec.structs.replace(d, faults=(*d.faults, *words.get(d.device, ()))) for d in plan.devices)
    return msgspec.structs.replace(plan, devices=devices, faults=(*plan.faults, *words.get("", ())))
