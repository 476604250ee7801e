"""Runs the demo: stack, tiers, admissions, devices; then the story; then, when it is bounded, the reckoning."""

import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psycopg

from infra.demo import report as reports
from infra.demo import scenario
from infra.demo.faults import Fault, storm
from infra.demo.observer import Observer
from infra.demo.relay import Relay
from infra.demo.screen import Message, Screen, View
from infra.demo.settings import DemoSettings
from infra.demo.stores import Lake, Outbox, Warehouse
from infra.demo.supervisor import Supervisor, edge_says, wait_for
from infra.demo.tally import Identity, Sent, accepted, judge
from infra.local.memory import PeakMemory
from infra.local.ports import HOST, Ports
from infra.local.process import PartError, Spec, base_env
from infra.local.stack import MOTO, LocalStack
from infra.local.tiers import Tier, make_topics, start_tiers, tiers
from vitals.daemon import now_ms

log: Final = logging.getLogger(__name__)
PARTITIONS: Final = 16
SHOW_EVERY_S: Final = 0.5
COUNT_EVERY: Final = 6
"""Lake and warehouse are asked every so many views: each asking costs them something."""
DRAIN_WITHIN_S: Final = 180.0
QUIET_S: Final = 5.0
COMMAND_WITHIN_S: Final = 60
WARM_WITHIN_S: Final = 180.0
FRESH_MS: Final = 2500
QUICK: Final[Mapping[str, Mapping[str, str]]] = {
    # A demo is watched, so what a hospital batches for thirty seconds goes at once here.
    "edge": {"UPLINK_FLUSH_S": "0.5"},
    "archive": {"ARCHIVE_INTERVAL_S": "3"},
    "load": {"LOAD_INTERVAL_S": "1"},
}
DEVICES: Final = "devices"


@dataclass(slots=True)
class Running:
    """A demo while it runs.

    Attributes:
        stack: The outside parts.
        specs: Every process that must run, by name.
        observer: What passes through Kafka.
        supervisor: Keeps the processes running.
        outbox: Where the messages to people arrive.
        messages: Messages so far.
        began: Monotonic time of the first reading, s.
    """

    stack: LocalStack
    specs: dict[str, Spec]
    observer: Observer
    supervisor: Supervisor
    outbox: Outbox
    messages: list[Message] = field(default_factory=list)
    began: float = 0.0

    def accepted(self) -> set[Identity]:
        """Returns what the gateways' outboxes have accepted, those that were set aside included."""
        folders: list[tuple[str, Path | None]] = [(name, None) for name in self.specs if name.startswith("edge-")]
        found: set[Identity] = set()
        for name, folder in [*folders, *self.supervisor.set_aside]:
            found |= accepted(edge_says(self.specs[name], "accepted", folder).splitlines())
        return found


def _quick(tier: Tier) -> Tier:
    own = QUICK.get(tier.name.split("-")[0], {})
    return replace(tier, settings={**tier.settings, **own})


def _command(stack: LocalStack, *words: str) -> None:
    done = subprocess.run(  # noqa: S603 - this module's own words
        [sys.executable, "-m", *words],
        env={**base_env(), **stack.env()},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_WITHIN_S,
    )
    if done.returncode != 0:
        raise PartError(f"python -m {' '.join(words)} failed: {done.stderr[-1000:] or done.stdout[-1000:]}")


def _invent(stack: LocalStack, settings: DemoSettings) -> None:
    """Invents the people of the demo, and puts the rota in force before anybody can be alarmed."""
    people = stack.var / "people"
    wards = ",".join(f"{ward}={scenario.BEDS}" for ward in scenario.WARDS.values())
    words = (
        "--out",
        str(people),
        "--wards",
        wards,
        "--cadence",
        f"{scenario.CADENCE_S:g}",
        "--seed",
        str(settings.seed),
    )
    _command(stack, "cloud", "samples", *words)
    make_topics(stack)
    _command(stack, "cloud", "duty", str(people / "rota.csv"))


def _devices(stack: LocalStack, settings: DemoSettings) -> Spec:
    folder = stack.var / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    brokers = {gateway: stack.device_broker_url(gateway) for gateway in stack.gateways}
    plan = folder / "plan.json"
    plan.write_bytes(scenario.plan(brokers, duration_s=settings.duration, seed=settings.seed))
    words = ("--plan", str(plan), "--ledger", str(_ledger(stack)))
    return Spec(DEVICES, (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)


def _scores(observer: Observer) -> bool:
    """Returns whether every lane's heartbeat comes out of Spark while it is fresh: the first plan takes it seconds."""
    with observer.lock:
        beating = list(observer.sight.beating.values())
    return len(beating) == PARTITIONS and now_ms() - min(beating) < FRESH_MS


def _ledger(stack: LocalStack) -> Path:
    return stack.var / "devices" / "ledger.jsonl"


@contextmanager
def running(settings: DemoSettings, screen: Screen, ports: Ports | None = None) -> Iterator[Running]:
    """Brings everything up and ends it again, whatever happens in between.

    Args:
        settings: How it runs.
        screen: What tells of it.
        ports: Where the parts listen; None takes those that the settings name.

    Raises:
        PartError: A part did not come up.
        PortTakenError: A port is held by somebody else.
    """
    var = settings.var / "demo"
    LocalStack(var).down()
    shutil.rmtree(var, ignore_errors=True)
    ports = ports or Ports.from_base(settings.port_base, len(scenario.WARDS))
    with ExitStack() as parts:
        screen.say("starting Mosquitto, Kafka, PostgreSQL and moto")
        stack = parts.enter_context(LocalStack(var, ports=ports, gateways=tuple(scenario.WARDS)))
        cable = parts.enter_context(Relay(stack.ports.site))
        uplinks = {scenario.CUT_GATEWAY: f"mqtts://{HOST}:{cable.port}"}
        _invent(stack, settings)
        screen.say("starting Spark, Ray, bridge, gateways and the rest")
        own = [_quick(tier) for tier in tiers(stack, uplinks)]
        start_tiers(stack, own)
        observer = parts.enter_context(Observer(stack.env()["KAFKA_BOOTSTRAP"], PARTITIONS))
        screen.say("waiting until Spark scores")
        if not wait_for(lambda: _scores(observer), WARM_WITHIN_S, every_s=SHOW_EVERY_S):
            raise PartError(f"Spark scored nothing within {WARM_WITHIN_S:.0f} s; see {stack.processes.logs}/score.log")
        devices = _devices(stack, settings)
        specs = {spec.name: spec for spec in (*stack.specs(stack.parts), *(tier.spec(stack) for tier in own))}
        supervised = parts.enter_context(
            Supervisor(stack.processes, list(specs.values()), {scenario.CUT_GATEWAY: cable}, screen.say)
        )
        outbox = Outbox(stack.env()["ALERT_OUTBOX_URL"], stack.env())
        demo = Running(stack, specs, observer, supervised, outbox)
        # Monitors are on before a patient is admitted to them: one that has yet to speak would be a silent device.
        stack.processes.start(devices)
        demo.began = time.monotonic()
        screen.say("admitting 24 patients")
        _command(stack, "cloud", "admit", str(stack.var / "people" / "roster.csv"))
        yield demo


def _faults(settings: DemoSettings, demo: Running) -> list[Fault]:
    if not settings.faults or settings.duration is None:
        return list(scenario.ordinary_faults(settings.duration))
    names = [name for name in demo.specs if name != MOTO]
    planned = storm(
        names,
        stalled=(MOTO,),
        cut=scenario.CUT_GATEWAY,
        new_outbox=scenario.NEW_OUTBOX_GATEWAY,
        duration_s=settings.duration,
        seed=settings.seed,
    )
    return list(planned)


class Viewer:
    """Gathers what there is to show."""

    def __init__(self, demo: Running) -> None:
        self._demo = demo
        self._views = 0
        self._objects = 0
        self._rows = 0
        self._sent = Sent(_ledger(demo.stack))

    def look(self) -> View:
        """Returns this moment."""
        demo = self._demo
        demo.messages += demo.outbox.take()
        if self._views % COUNT_EVERY == 0:
            self._count()
        self._views += 1
        with demo.observer.lock:
            sight = demo.observer.sight
            hops = {
                "devices": self._sent.count(),
                "gateways": sum(sight.accepted.values()),
                "Kafka": len(sight.kafka),
                "Spark scored": len(sight.scored),
                "alarms": sum(sight.started.values()),
                "SNS accepted": len(sight.notifications),
            }
            named = {
                "Kafka": "sensor_to_kafka",
                "Spark scored": "sensor_to_scored",
                "alarms": "sensor_to_alarm",
                "SNS accepted": "sensor_to_sns",
            }
            latencies = {hop: list(sight.latencies_ms[name]) for hop, name in named.items()}
            newest = list(sight.latest.values())
        elapsed = time.monotonic() - demo.began
        return View(elapsed, hops, latencies, newest, demo.messages, self._objects, self._rows)

    def _count(self) -> None:
        env = self._demo.stack.env()
        # Before the first commit, and while a fault has them down, the last known figures stand.
        try:
            self._rows = Warehouse(env["WAREHOUSE"]).rows()
            self._objects = Lake(env["LAKE"]).objects()
        except (psycopg.Error, OSError) as error:
            log.debug("lake or warehouse not counted: %s", error)


def bounded(settings: DemoSettings, screen: Screen, ports: Ports | None = None) -> tuple[dict[str, Any], list[Message]]:
    """Runs a bounded demo.

    Returns:
        Its report, and the messages that people were sent.
    """
    with running(settings, screen, ports) as demo, PeakMemory(demo.stack.processes) as peak:
        play(settings, demo, screen)
        return reckon(demo, screen, lambda: peak.peak_mb), demo.messages


def endless(settings: DemoSettings, screen: Screen) -> None:
    """Runs the demo until Ctrl-C."""
    with running(settings, screen) as demo:
        play(settings, demo, screen)


def play(settings: DemoSettings, demo: Running, screen: Screen) -> None:
    """Plays the story until its end, or until Ctrl-C."""
    faults = _faults(settings, demo)
    viewer = Viewer(demo)
    while settings.duration is None or time.monotonic() - demo.began < settings.duration:
        while faults and faults[0].at_s <= time.monotonic() - demo.began:
            demo.supervisor.strike(faults.pop(0))
        screen.show(viewer.look())
        time.sleep(SHOW_EVERY_S)


def reckon(demo: Running, screen: Screen, peak_pss_mb: Callable[[], Mapping[str, float]]) -> dict[str, Any]:
    """Drains the path and counts every reading by identity.

    Returns:
        The report.
    """
    demo.supervisor.settle()
    with demo.observer.lock:
        demo.observer.sight.ended = now_ms()
    screen.say("draining")
    demo.stack.processes.end([DEVICES])
    env = demo.stack.env()
    taken: set[Identity] = set()

    def delivered() -> bool:
        nonlocal taken
        try:
            taken = demo.accepted()
            return taken <= Warehouse(env["WAREHOUSE"]).readings().counts.keys()
        except (psycopg.Error, PartError):
            return False

    wait_for(delivered, DRAIN_WITHIN_S)
    _wait_until_quiet(lambda: len(demo.observer.sight.notifications))
    demo.messages += demo.outbox.take()
    lake, warehouse = Lake(env["LAKE"]).readings(), Warehouse(env["WAREHOUSE"]).readings()
    with demo.observer.lock:
        sight = demo.observer.sight
        counts = reports.Counts(
            sent=Sent(_ledger(demo.stack)).count(),
            scored=len(sight.scored),
            archived=len(lake),
            loaded=warehouse.counts.total(),
            rejected=sight.rejected,
            alarms=dict(sight.started),
            notifications=len(sight.notifications),
        )
        return reports.report(counts, judge(taken, lake, warehouse), sight.latencies_ms, peak_pss_mb())


def _wait_until_quiet(count: Callable[[], int]) -> None:
    """Waits until a count has not moved for a few seconds: the last alarm's message is on its way."""
    last, since = count(), time.monotonic()
    deadline = since + DRAIN_WITHIN_S / 3
    while time.monotonic() - since < QUIET_S and time.monotonic() < deadline:
        time.sleep(SHOW_EVERY_S)
        if count() != last:
            last, since = count(), time.monotonic()
