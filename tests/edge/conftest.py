"""What the gateway's tests share: frames as devices write them, readings, fakes for its ports."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.driver import Deliver, Delivery
from edge.settings import Settings

NOW = 1_763_812_800_000


class Bedside:
    """A driver and lights in memory."""

    def __init__(self) -> None:
        self.deliver: Deliver | None = None
        self.shown: dict[str, Any] = {}

    def start(self, deliver: Deliver) -> None:
        self.deliver = deliver

    def stop(self) -> None:
        self.deliver = None

    def show(self, bed: str, signal: bytes) -> None:
        self.shown[bed] = json.loads(signal)


class Above:
    """An uplink in memory."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    def start(self) -> None:
        self.published.clear()

    def publish(self, name: str, payload: bytes) -> None:
        self.published.append((name, payload))

    def stop(self, goodbye: bytes, timeout_s: float) -> None:
        assert timeout_s > 0
        self.published.append(("status", goodbye))


class Clock:
    """A wall clock that moves when told to."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Make:
    """What devices and the cloud send."""

    NOW = NOW
    Bedside = Bedside
    Above = Above
    Clock = Clock

    @staticmethod
    def frame(seq: int, *, boot: int = 7, t: int = NOW, off: tuple[str, ...] = (), **signs: float) -> bytes:
        """A device's message, written without the gateway's decoder."""
        return json.dumps({"boot": boot, "seq": seq, "t": t, **signs, "off": list(off)}).encode()

    @staticmethod
    def delivery(
        payload: bytes, *, device: str = "dev-1", t_gw: int = NOW, ack: Callable[[], None] = lambda: None
    ) -> Delivery:
        return Delivery(device, payload, t_gw, ack)

    @staticmethod
    def placement(**changes: object) -> dict[str, Any]:
        """A device on a patient, as JSON."""
        base = {
            "device": "dev-1",
            "patient": "p-1",
            "ward": "W",
            "bed": "W-1",
            "since": NOW - 3_600_000,
            "cadence_s": 1.0,
        }
        return base | changes

    @staticmethod
    def roster(*placements: dict[str, Any], version: int = 1, gateway: str = "gw-1") -> bytes:
        return json.dumps({"gateway": gateway, "version": version, "placements": placements}).encode()


@pytest.fixture
def make() -> SimpleNamespace:
    """What the tests make things with; see `Make`."""
    return SimpleNamespace(**{name: getattr(Make, name) for name in dir(Make) if not name.startswith("_")})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(gateway="gw-1", edge_data=tmp_path, uplink="mqtt://127.0.0.1:1", commit_linger_ms=0)
