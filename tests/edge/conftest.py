"""What the gateway's tests share: frames as devices write them, readings, fakes for its ports."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from edge.clock.boot_clock import Boot
from edge.devices.driver import Deliver, DeviceMessage
from edge.gateway import Gateway
from edge.metrics import Metrics
from edge.settings import Settings
from edge.store.open import open_outbox
from edge.uplink.client import ConnectionChange, DownlinkMessage
from infra.local.ports import HOST, Ports
from infra.local.prerequisites import find_program
from vitals.readings import Readings, concat
from vitals.status import Status
from vitals.wire import uplink_batch

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

    def repeat(self) -> None:
        """Nothing that is in memory gets lost."""


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
        payload: bytes,
        *,
        device: str = "dev-1",
        t_gw: int = NOW,
        ack: Callable[[list[Any]], None] = lambda _receipts: None,
        receipt: object = None,
    ) -> DeviceMessage:
        return DeviceMessage(device, payload, t_gw, ack, receipt)

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


class Running:
    """A gateway under test, its clock in our hand."""

    def __init__(
        self,
        settings: Settings,
        now: int,
        boot: Callable[[int], Boot] | None = None,
        settled: Callable[[], bool] = lambda: True,
        mono: float = 1_000.0,
    ) -> None:
        self.settings, self.mono = settings, mono
        self.clock, self.bedside, self.above = Clock(now), Bedside(), Above()
        self.registry = CollectorRegistry()
        self.outbox = open_outbox(settings.edge_data, now)
        self.gateway = Gateway(
            settings,
            self.outbox,
            [self.bedside],
            self.bedside,
            metrics=Metrics(self.registry),
            now_ms=self.clock,
            boot=boot or self._boot,
            settled=settled,
            monotonic=lambda: self.mono,
        )
        self.acked: list[int] = []

    def _boot(self, machine: int) -> Boot:
        return Boot("boot", machine - int(1000 * self.mono))

    def link(self, *, up: bool = True) -> None:
        self.gateway.receive(ConnectionChange(up))

    def down(self, name: str, payload: object) -> None:
        encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.gateway.receive(DownlinkMessage(name, encoded))

    def device(self, seq: int, *, device: str = "dev-1", **frame: Any) -> None:  # noqa: ANN401 - a frame's fields
        payload = Make.frame(seq, **{"t": self.clock.now, **frame})
        self.raw(payload, device=device, mark=seq)

    def raw(self, payload: bytes, *, device: str = "dev-1", mark: int = -1) -> None:
        self.gateway.receive(
            Make.delivery(payload, device=device, t_gw=self.clock.now, ack=self.acked.extend, receipt=mark)
        )

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.now += int(1000 * seconds)
        self.mono += seconds
        self.gateway.cycle(self.above, self.mono)

    def sent(self) -> list[uplink_batch.Batch]:
        return [uplink_batch.decode(payload) for name, payload in self.above.published if name == "vitals"]

    def readings(self) -> Readings:
        return concat([batch.readings for batch in self.sent()])

    def statuses(self) -> list[Status]:
        return [msgspec.json.decode(p, type=Status) for name, p in self.above.published if name == "status"]

    def metric(self, metric: str, /, **labels: str) -> float:
        return self.registry.get_sample_value(metric, labels) or 0.0


@pytest.fixture
def rig(settings: Settings) -> Iterator[Callable[..., Running]]:
    """Starts gateways on one data directory, one after the other."""
    running: list[Running] = []

    def begin(
        *,
        roster: bytes | None = None,
        now: int = NOW,
        boot: Callable[[int], Boot] | None = None,
        settled: Callable[[], bool] = lambda: True,
        **changes: object,
    ) -> Running:
        mono = 1_000.0
        if running:
            running[-1].outbox.close()
            # The machine goes on meanwhile, for as long as its clock says; a clock that is back was set back.
            mono = running[-1].mono + max(0, now - running[-1].clock.now) / 1000
        new = Running(replace(settings, **changes), now, boot, settled, mono)
        running.append(new)
        new.link()
        if roster is not None:
            new.down("roster", roster)
        new.turn()
        return new

    yield begin
    running[-1].outbox.close()


@pytest.fixture
def make() -> SimpleNamespace:
    """What the tests make things with; see `Make`."""
    return SimpleNamespace(**{name: getattr(Make, name) for name in dir(Make) if not name.startswith("_")})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(gateway="gw-1", edge_data=tmp_path, uplink="mqtt://127.0.0.1:1", commit_linger_ms=0)


class Broker:
    """A gateway's own broker that can hang and be killed."""

    def __init__(self, folder: Path) -> None:
        self.port = Ports.ephemeral(1).devices[0]
        self._conf = folder / "lights.conf"
        self._conf.write_text(f"listener {self.port} {HOST}\nallow_anonymous true\n")
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [str(find_program("mosquitto")), "-c", str(self._conf)]
        self.running = subprocess.Popen(argv, stderr=subprocess.DEVNULL)  # noqa: S603 - own words

    def hang(self) -> None:
        assert self.running is not None
        self.running.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait(10)
            self.running = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path)
    found.start()
    yield found
    found.kill()
