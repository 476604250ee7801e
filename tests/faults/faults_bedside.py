"""A gateway nobody looks after, beside patients who fall: `make faults ONLY=bedside`, some 55 minutes; needs root.

Two gateways with 64 beds each, one with a reading a second and bed, one with one in 30 s; each is struck by 200 faults
of its own, drawn by `FAULTS_SEED`, in 40 minutes of real time: its uplink cut, its clock stepped by 1 s to 8 days
either way, booted with a saved clock, killed; its broker hung and killed; its card full, read-only and taking nothing;
patients moved and swapped; pages of the outbox and bits of kept values flipped (`tests/faults/bedside/plan.py`). Faults
on different things meet. Each gateway is `python -m edge` between real Mosquittos, under a clock, a keeper and a boot
of its own.

Somebody watches `beds/+/alarm` at each gateway's own broker. The judge of lights (`tests/truth/beds.py`) says of whom
a light was dark, late or dark again, stuck, or at a wrong bed, by the patients' true states. What a gateway accepted
must come above. `FAULTS_SHARE=0.1` does a tenth of it, in a tenth of the time, three minutes at least; `LIFE=folder`
keeps lights, ledger, logs and findings.
"""

import dataclasses
import heapq
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from infra.demo.fault_proxy import Relay
from infra.local.ports import Ports
from infra.local.process import Spec, base_env
from infra.local.stack import DEVICE_BROKERS, SITE_BROKER, LocalStack
from tests.faults.bedside import verdict
from tests.faults.bedside.above import Above
from tests.faults.bedside.damage import Identity
from tests.faults.bedside.pi import Pi, now_ms, small_card
from tests.faults.bedside.plan import Fault, What, moved, roster, storm, story, ward
from tests.faults.bedside.strikes import strike
from tests.faults.bedside.verdict import Found, Told
from tests.faults.path.lights import Recorder
from tests.truth import ledger as truth
from tests.truth.beds import judge

SEED: Final = int(os.environ.get("FAULTS_SEED", "20"))
SHARE: Final = float(os.environ.get("FAULTS_SHARE", "1"))
SECONDS: Final = max(180.0, 2400.0 * SHARE)
COUNT: Final = round(200 * SHARE)
LIFE: Final = os.environ.get("LIFE", "")
WARDS: Final = {"fast": 1.0, "slow": 30.0}
"""Cadence of the monitors, s, by ward."""
WARM_S: Final = 20.0
AFTER_S: Final = 150.0
TAKEN_S: Final = 15.0
"""Until the gateways have taken and sealed what their brokers still had."""
DRAIN_S: Final = 120.0
LOOK_S: Final = 0.1
MOVES: Final = frozenset((What.MOVE, What.SWAP, What.CHANGE))


def say(text: str) -> None:
    """Tells how far the storm is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} bedside: {text}\n")


class Agenda:
    """What is to be done when, on one thread."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def later(self, after_s: float, act: Callable[[], None]) -> None:
        """Schedules a call after a delay, s."""
        heapq.heappush(self._due, (time.monotonic() + after_s, next(self._order), act))

    def run(self, until: Callable[[], bool], within_s: float) -> None:
        """Does all of it in time, until something is so, and not for ever."""
        pause, ends = threading.Event(), time.monotonic() + within_s
        while not until() and time.monotonic() < ends:
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            pause.wait(LOOK_S)


class Bedside:
    """One ward: its gateway, its faults and its patients."""

    def __init__(self, name: str, seed: int, pi: Pi, above: Above) -> None:
        self.name, self.pi, self.cadence_s = name, pi, WARDS[name]
        self.faults = storm(seed, SECONDS, COUNT)
        self._above = above
        self._since = dict.fromkeys(ward(name), 0)
        self.told = [Told(now_ms(), ward(name))]
        self.done = 0
        self._tell(self.told[0])

    def strike(self, fault: Fault) -> None:
        """Does a fault."""
        say(f"{self.name}: {fault.what}, {fault.for_s:g} s, {fault.amount:.6g}")
        if fault.what in MOVES:
            before, now = self.told[-1].ward, moved(self.told[-1].ward, self.name, fault)
            told = Told(now_ms(), now)
            self._since |= {patient: told.t for patient, place in now.items() if before[patient] != place}
            self.told.append(told)
            self._tell(told)
        else:
            try:
                strike(self.pi, fault)
            except subprocess.CalledProcessError as error:
                say(f"{self.name}: not done: {error}")
                return
        self.done += 1

    def missing(self, above: Above) -> set[Identity]:
        """Returns what was accepted, is not above, and could be read of every damaged file."""
        return (self.pi.accepted | self.pi.remembered()) - self.pi.unreadable - above.came(self.pi.gateway)

    def _tell(self, told: Told) -> None:
        self._above.tell(self.pi.gateway, roster(self.pi.gateway, told.ward, self._since, self.cadence_s, told.t))


@contextmanager
def standing(folder: Path, agenda: Agenda) -> Iterator[tuple[LocalStack, Above, list[Bedside]]]:
    """Brings up brokers, gateways and monitors."""
    with ExitStack() as parts:
        gateways = tuple(f"gw-{name}" for name in WARDS)
        ports = Ports.ephemeral(len(gateways))
        stack = LocalStack(folder / "stack", ports=ports, gateways=gateways, parts=(DEVICE_BROKERS, SITE_BROKER))
        parts.enter_context(stack)
        above = parts.enter_context(Above(stack))
        wards = []
        for k, (name, gateway) in enumerate(zip(WARDS, gateways, strict=True)):
            cable = parts.enter_context(Relay(stack.ports.site))
            pi = Pi(stack, gateway, folder / gateway, cable, agenda.later, say)
            parts.enter_context(small_card(pi))
            wards.append(Bedside(name, SEED * len(WARDS) + k, pi, above))
            parts.callback(pi.stop)
        stack.processes.start(_monitors(stack, folder, wards))
        yield stack, above, wards


def _monitors(stack: LocalStack, folder: Path, wards: Sequence[Bedside]) -> Spec:
    seconds = WARM_S + SECONDS + AFTER_S + 600
    devices, stories = [], []
    for one in wards:
        for place in ward(one.name).values():
            told = story(SEED, place.device, one.cadence_s, seconds)
            stories.append(told)
            device = {"device": place.device, "broker": stack.device_broker_url(one.pi.gateway)}
            devices.append(device | {"cadence_s": one.cadence_s, "story": told["name"]})
    plan = {"devices": devices, "stories": stories, "seed": SEED, "simulator": "2026-11", "artefacts": {"scale": 0}}
    (folder / "monitors.json").write_text(json.dumps(plan), encoding="utf-8")
    words = ("--plan", str(folder / "monitors.json"), "--ledger", str(folder / "ledger.jsonl"))
    return Spec("monitors", (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=60.0)


def measure(folder: Path) -> list[tuple[Bedside, Found]]:
    """Runs the storm; returns what it found."""
    agenda = Agenda()
    with standing(folder, agenda) as (stack, above, wards):
        brokers = {one.pi.gateway: stack.device_broker_url(one.pi.gateway) for one in wards}
        with Recorder(brokers, folder / "lights.jsonl", now_ms) as recorder:
            for one in wards:
                for fault in one.faults:
                    agenda.later(WARM_S + fault.at_s, lambda one=one, fault=fault: one.strike(fault))
                one.pi.mind()
            last_s = max([SECONDS, *(fault.at_s + fault.for_s for one in wards for fault in one.faults)])
            agenda.run(lambda: False, WARM_S + last_s + AFTER_S)
            ends = now_ms()
            stack.processes.end(["monitors"])
            lights = tuple(recorder.lights)
        agenda.run(lambda: False, TAKEN_S)
        for one in wards:
            agenda.run(lambda one=one: not one.missing(above), DRAIN_S)
        lines = list(truth.read(folder / "ledger.jsonl"))
        return [(one, _found(one, above, lines, lights, ends)) for one in wards]


def _found(one: Bedside, above: Above, lines: list[dict[str, Any]], lights: Sequence[Any], ends: int) -> Found:
    gateway, struck = one.pi.gateway, one.pi.struck
    apart = [*struck, *((a, b + verdict.REACHED_MS) for a, b in one.pi.cuts)]
    stays, rows_ = verdict.lain(one.told, apart)
    by_device = truth.life(lines, verdict.devices(one.told, gateway), one.cadence_s)
    life = verdict.of_patients(by_device, rows_)
    mine = [light for light in lights if light.gateway == gateway]
    beds = {stay.bed for stay in stays}
    lit = judge(life, stays, mine, ends, dict.fromkeys(beds, tuple(struck)))
    return Found(
        one.cadence_s,
        lit,
        len(one.pi.accepted | one.pi.remembered()),
        len(one.missing(above)),
        len(one.pi.unreadable - above.came(gateway)),
        one.pi.died,
        one.done,
    )


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    say(f"seed {SEED}, {COUNT} faults on each gateway in {SECONDS:g} s")
    with tempfile.TemporaryDirectory(prefix="wardwatch-bedside-", ignore_cleanup_errors=True) as name:
        found = measure(Path(name))
        if LIFE:
            _keep(Path(name), Path(LIFE), found)
    return [row for one, told in found for row in verdict.rows(told, len(one.faults))]


def _keep(folder: Path, life: Path, found: Sequence[tuple[Bedside, Found]]) -> None:
    life.mkdir(parents=True, exist_ok=True)
    for path in (folder / "lights.jsonl", folder / "ledger.jsonl"):
        shutil.copy(path, life)
    for one, told in found:
        shutil.copy(one.pi.folder / "edge.log", life / f"{one.name}.log")
        kept = dataclasses.asdict(told) | {
            "faults": [dataclasses.asdict(fault) for fault in one.faults],
            "struck": one.pi.struck,
            "cuts": one.pi.cuts,
            "told": [dataclasses.asdict(ward_) for ward_ in one.told],
        }
        (life / f"{one.name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    for line in rows():
        say(str(line))
