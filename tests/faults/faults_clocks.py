"""A clock for each process, right and wrong, steady and jumping, beside patients who fall: `make faults ONLY=clocks`.

Seven wards, a gateway each. One gateway's clock is right; two are off from their start on; two jump and stay; one jumps
and is set right again; of one ward the monitors' clocks jump. By how much is drawn from one second to one hour, each
way, with `FAULTS_SEED`. The bridge's clock is off by a second. In each ward one patient falls within a wrong clock's
first minute and one later. The judge (`tests/truth/judge.py`) says of whom nobody was told; and each clock that is
wrong by more than is measured must be told of within a minute.

`CLOCKS_S` (420) is how long patients are watched; `LIFE=folder` keeps what the judge saw.
"""

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.local.process import Spec, base_env
from infra.local.servers.sns import part as sns
from infra.local.servers.sns.server import Options
from infra.local.services import Tier, tiers
from infra.local.stack import LocalStack
from tests.bench.path import breach_scenario, run_files
from tests.bench.path.environment import Stage, whole_path
from tests.faults.judged import judged
from tests.truth.judge import MUST_BE_ZERO, Judgement

SEED: Final = int(os.environ.get("FAULTS_SEED", "19"))
SECONDS: Final = float(os.environ.get("CLOCKS_S", "420"))
LIFE: Final = os.environ.get("LIFE", "")
BEDS, CADENCE_S, SPEED = 3, 1.0, 14.0
OFF_S: Final = (1, 3, 10, 60, 180, 900, 3600)
TELLING_S: Final = 5.0
"""A clock that is off by less is nobody's to be told of."""
WITHIN_S: Final = 60.0
FALSE: Final = 1
AFTER_S: Final = 150.0
"""After the last fall, until it has been told of."""
WARM_S: Final = 20.0
SNS: Final = Options(answer_ms=30.0, confirmed=True, emails_per_s=0)
CLOCKS: Final = frozenset({"gateway-clock", "device-clock", "clock-unset", "not-judged", "bridge-clock"})
"""Conditions by which a wrong clock is told of; all but the first two say what follows from it."""


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of one ward's clock.

    Attributes:
        ward: The ward.
        off_s: By how much its gateway's clock is wrong.
        begins: After which share of the storm; 0: from the start of the gateway on.
        ends: After which share it is set right; 1: never.
        devices: Whether it is its monitors' clocks instead.
    """

    ward: str
    off_s: float = 0.0
    begins: float = 0.0
    ends: float = 1.0
    devices: bool = False

    @property
    def gateway(self) -> str:
        """Its gateway."""
        return f"gw-{self.ward}"


def courses(seed: int) -> list[Course]:
    """Draws by how much each is off."""
    draw = random.Random(seed)  # noqa: S311 - a storm, no secret
    small, large = OFF_S[:3], OFF_S[3:]
    return [
        Course("right"),
        Course("ahead", draw.choice(small)),
        Course("behind", -draw.choice(large)),
        Course("leaps", draw.choice(large), 0.25),
        Course("falls", -draw.choice(large), 0.25),
        Course("returns", draw.choice((1, -1)) * draw.choice(large), 0.25, 0.6),
        Course("devices", draw.choice((1, -1)) * draw.choice(large), 0.25, devices=True),
    ]


def say(text: str) -> None:
    """Tells how far the storm is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} clocks: {text}\n")


def clock_file(folder: Path, name: str) -> Path:
    """Returns the file that moves a process's clock."""
    return folder / f"{name}.clock"


@contextmanager
def standing(folder: Path, plan: list[Course]) -> Iterator[tuple[Stage, Path]]:
    """Brings the path up, each gateway and the bridge under a clock of its own; yields it and the roster."""
    rosters: list[Path] = []
    beds = {course.ward: BEDS for course in plan}
    for course in plan:
        if not course.begins and not course.devices:
            clock_file(folder, course.gateway).write_text(str(course.off_s))
    clock_file(folder, "bridge").write_text("1")

    def prepare(stack: LocalStack) -> None:
        rosters.append(breach_scenario.people(stack, folder / "people", beds, CADENCE_S, SEED))

    def moved(stack: LocalStack) -> list[Tier]:
        return [_moved(folder, tier) for tier in tiers(stack)]

    gateways = tuple(course.gateway for course in plan)
    with whole_path(folder, gateways=gateways, settings={}, prepare=prepare, chosen=moved, sns=SNS) as stage:
        stage.stack.processes.start(_devices(stage, plan))
        stage.command("cloud", "admit", str(rosters[0]))
        yield stage, rosters[0]


def _moved(folder: Path, tier: Tier) -> Tier:
    name = tier.name.removeprefix("edge-")
    if name == tier.name and name != "bridge":
        return tier
    return replace(tier, words=("tests.support.fake_clock", str(clock_file(folder, name)), *tier.words))


def ledger(stage: Stage) -> Path:
    """Where the monitors keep what was really so."""
    return stage.folder / "devices" / "ledger.jsonl"


def _devices(stage: Stage, plan: list[Course]) -> Spec:
    folder = stage.folder / "devices"
    folder.mkdir()
    devices: list[dict[str, Any]] = []
    for course in plan:
        broker = stage.stack.device_broker_url(course.gateway)
        # One falls while the clock has just gone wrong, one later, and one is well.
        starts = (WARM_S + (course.begins or 0.1) * SECONDS + 5, WARM_S + 0.7 * SECONDS)
        for number in range(1, BEDS + 1):
            device: dict[str, Any] = {"device": f"mon-{course.ward}-{number:02d}", "broker": broker}
            if number <= len(starts):
                device |= {"story": "desaturation", "start_s": starts[number - 1], "speed": SPEED}
            if course.devices:
                at_s = WARM_S + course.begins * SECONDS
                device["faults"] = [{"fault": "clock-jump", "at_s": at_s, "by_s": course.off_s}]
            devices.append(device)
    told = {"devices": devices, "seed": SEED, "cadence_s": CADENCE_S, "simulator": "2026-11", "artefacts": {"scale": 0}}
    (folder / "plan.json").write_text(json.dumps(told), encoding="utf-8")
    words = ("--plan", str(folder / "plan.json"), "--ledger", str(ledger(stage)))
    return Spec("devices", (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    plan = courses(SEED)
    with tempfile.TemporaryDirectory(prefix="wardwatch-clocks-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with standing(folder, plan) as (stage, roster):
            wrong = _stormed(folder, plan)
            stage.stack.processes.end(["devices"])
            life = Path(LIFE or folder / "life")
            judgement = _judged(stage, roster, life)
            return _rows(plan, wrong, life, judgement)


def _stormed(folder: Path, plan: list[Course]) -> dict[str, float]:
    """Moves the clocks; returns when each ward's went wrong, UTC epoch s."""
    begun = time.time() + WARM_S
    wrong = {course.ward: begun for course in plan if course.off_s}
    moves = [(course.begins, course, course.off_s) for course in plan if course.begins and not course.devices]
    moves += [(course.ends, course, 0.0) for course in plan if course.ends < 1]
    for course in plan:
        if course.begins:
            wrong[course.ward] = begun + course.begins * SECONDS
    for share, course, off_s in sorted(moves, key=lambda move: move[0]):
        time.sleep(max(0.0, begun + share * SECONDS - time.time()))
        clock_file(folder, course.gateway).write_text(str(off_s))
        say(f"{course.gateway} is {off_s:+g} s off")
    time.sleep(max(0.0, begun + SECONDS + AFTER_S - time.time()))
    return wrong


def _judged(stage: Stage, roster: Path, life: Path) -> Judgement:
    run_files.keep(
        life,
        bootstrap=stage.bootstrap,
        ledger=ledger(stage),
        roster=roster,
        cadence_s=CADENCE_S,
        alone=True,
        sns=sns.endpoint(stage.stack.ports.sns),
    )
    return judged(life, say)


def _rows(plan: list[Course], wrong: dict[str, float], life: Path, judgement: Judgement) -> list[dict[str, Any]]:
    for line in judgement.lines:
        say(str(line))
    told = _told(plan, wrong, life)
    for course in plan:
        say(f"{course.ward}: {course.off_s:+g} s, told after {told.get(course.ward)} s")
    due = [c for c in plan if abs(c.off_s) > TELLING_S]
    late = [c.ward for c in due if told.get(c.ward, WITHIN_S + 1) > WITHIN_S]
    false = [line for line in judgement.lines if "false" in line]
    found = ", ".join(f"{c.ward} {c.off_s:+g}" for c in plan)
    missed = {name.removeprefix("truth."): judgement.rows[name] for name in MUST_BE_ZERO}
    return [
        *(_row(name, value, 0, f"of {judgement.rows['truth.due']:g} due; {found}") for name, value in missed.items()),
        _row("untold_clocks", len(late), 0, f"of {len(due)} off by more than {TELLING_S:g} s; {', '.join(late)}"),
        _row("false_pages", len(false), FALSE, "; ".join(str(line["false"]) for line in false[:3]) or "none"),
    ]


def _told(plan: list[Course], wrong: dict[str, float], life: Path) -> dict[str, float]:
    """Returns after how many seconds of each wrong clock somebody was told of it, by the alarm's own record."""
    found: dict[str, float] = {}
    from_start = {course.ward for course in plan if course.off_s and not course.begins}
    of = {course.gateway: course.ward for course in plan} | {course.ward: course.ward for course in plan}
    for line in (life / "alarms.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        ward = of.get(event.get("gateway") or "") or of.get(event.get("ward") or "")
        if event["condition"] in CLOCKS and event["phase"] == "start" and ward in wrong:
            after = round(event["log_t"] / 1000 - wrong[ward], 1)
            # On a slow machine a gateway whose clock is off from its start on stands for long before the monitors do.
            if after >= -WARM_S or ward in from_start:
                found.setdefault(ward, max(0.0, after))
    return found


def _row(name: str, value: float, goal: float, note: str) -> dict[str, Any]:
    return {"name": f"clocks.{name}", "value": value, "unit": "count", "goal": goal, "better": "lower", "note": note}


if __name__ == "__main__":
    for line in rows():
        say(str(line))
