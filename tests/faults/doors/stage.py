"""Well neighbours of those who send rubbish, on the whole path, and what becomes of its parts."""

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from infra.local.process import Spec, base_env
from infra.local.servers.sns.server import Options
from infra.local.stack import LocalStack
from tests.bench.path import breach_scenario
from tests.bench.path.environment import Stage, whole_path

WARDS: Final = {"gw-icu": "icu", "gw-med": "med"}
BEDS: Final = 6
CADENCE_S: Final = 1.0
FALLS: Final = (("mon-icu-03", 0.1), ("mon-med-04", 0.4), ("mon-icu-05", 0.7))
"""Who desaturates, and after which share of the storm: nobody else is ever worth a message."""
SPEED: Final = 14.0
SNS: Final = Options(answer_ms=30.0, confirmed=True, emails_per_s=0)
QUICK: Final[Mapping[str, Mapping[str, str]]] = {
    "edge": {"UPLINK_FLUSH_S": "2"},
    "archive": {"ARCHIVE_INTERVAL_S": "5"},
    "load": {"LOAD_INTERVAL_S": "5"},
}
SHARD_LOST: Final = ("died and is restarted", "does not answer", "is stuck")
QUERY_LOST: Final = {"score": "scoring failed", "archive": "a batch failed"}


@contextmanager
def standing(folder: Path, duration_s: float, seed: int) -> Iterator[tuple[Stage, Path]]:
    """Brings the path and the neighbours up; yields it and their roster."""
    rosters: list[Path] = []
    beds = dict.fromkeys(WARDS.values(), BEDS)

    def prepare(stack: LocalStack) -> None:
        rosters.append(breach_scenario.people(stack, folder / "people", beds, CADENCE_S, seed))

    with whole_path(folder, gateways=tuple(WARDS), settings=QUICK, prepare=prepare, sns=SNS) as stage:
        stage.stack.processes.start(_devices(stage, duration_s, seed))
        stage.command("cloud", "admit", str(rosters[0]))
        yield stage, rosters[0]
        stage.stack.processes.end(["devices"])


def ledger(stage: Stage) -> Path:
    """Where the monitors keep what was really so."""
    return stage.folder / "devices" / "ledger.jsonl"


def _devices(stage: Stage, duration_s: float, seed: int) -> Spec:
    folder = stage.folder / "devices"
    folder.mkdir()
    devices: list[dict[str, Any]] = []
    for gateway, ward in WARDS.items():
        for number in range(1, BEDS + 1):
            name = f"mon-{ward}-{number:02d}"
            device: dict[str, Any] = {"device": name, "broker": stage.stack.device_broker_url(gateway)}
            if name in dict(FALLS):
                device |= {"story": "desaturation", "start_s": dict(FALLS)[name] * duration_s, "speed": SPEED}
            devices.append(device)
    plan = {"devices": devices, "seed": seed, "cadence_s": CADENCE_S, "simulator": "2026-11", "artefacts": {"scale": 0}}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    words = ("--plan", str(folder / "plan.json"), "--ledger", str(ledger(stage)))
    return Spec("devices", (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)


@dataclass(slots=True)
class Parts:
    """Sees a part end, says which, and starts it again, as whoever runs it does.

    Attributes:
        stage: What runs.
        ended: Each end.
    """

    stage: Stage
    ended: list[str] = field(default_factory=list)
    _said: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        for name in ("watch", *QUERY_LOST):
            self._said[name] = self._log(name).stat().st_size
        self._thread = threading.Thread(target=self._look, name="parts", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Looks no more: what ends from now on was asked to."""
        self._stop.set()
        self._thread.join()

    def inside(self) -> list[str]:
        """What ended within a part that went on: a shard of the alarm engine, a query of Spark's."""
        found = self._lines("watch", SHARD_LOST)
        for name, words in QUERY_LOST.items():
            found += self._lines(name, (words,))
        return found

    def _lines(self, name: str, words: tuple[str, ...]) -> list[str]:
        with self._log(name).open("rb") as file:
            file.seek(self._said[name])
            lines = file.read().decode(errors="replace").splitlines()
        return [f"{name}: {line[:300]}" for line in lines if any(word in line for word in words)]

    def _log(self, name: str) -> Path:
        return self.stage.stack.processes.logs / f"{name}.log"

    def _look(self) -> None:
        known = {name: process.pid for name, process in self.stage.stack.processes.alive().items()}
        while not self._stop.wait(0.5):
            alive = self.stage.stack.processes.alive()
            for name, spec in self.stage.specs.items():
                if name not in alive:
                    self.ended.append(f"{name} (process {known.get(name)})")
                    known[name] = self.stage.stack.processes.start(spec).pid
