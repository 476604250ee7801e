"""Brings the demo's parts up: stack, tiers, people, devices; and ends them again."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from infra.demo import scenario
from infra.demo.counters import Sight
from infra.demo.fault_proxy import Relay
from infra.demo.screen import Message, Screen
from infra.demo.settings import DemoSettings
from infra.demo.stores import Outbox
from infra.demo.supervisor import Supervisor, wait_for
from infra.local.ports import HOST, Ports
from infra.local.process import PartError, Spec, base_env
from infra.local.services import CANARY_S, Tier, admit_canaries, command, make_topics, start_tiers, tiers
from infra.local.stack import LocalStack
from infra.local.topic_observer import PARTITIONS, Beats, Observer

LOOK_EVERY_S: Final = 0.5
WARM_WITHIN_S: Final = 180.0
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
    observer: Observer[Sight]
    supervisor: Supervisor
    outbox: Outbox
    messages: list[Message] = field(default_factory=list)
    began: float = 0.0


def _page(stack: LocalStack) -> str:
    """Returns where the ward page is, and the link by which its first user chooses a password."""
    said = (stack.processes.logs / "console.log").read_text(errors="replace").splitlines()
    link = next((line.strip() for line in said if "/welcome/" in line), "")
    return f"the ward page is at {stack.env()['CONSOLE_URL']}; choose a password for it at {link}"


def _quick(tier: Tier) -> Tier:
    own = QUICK.get(tier.name.split("-")[0], {})
    return replace(tier, settings={**tier.settings, **own})


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
    command(stack, "cloud", "samples", *words)
    make_topics(stack)
    command(stack, "cloud", "duty", str(people / "rota.csv"))


def _devices(stack: LocalStack, settings: DemoSettings) -> Spec:
    folder = stack.var / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    brokers = {gateway: stack.device_broker_url(gateway) for gateway in stack.gateways}
    plan = folder / "plan.json"
    plan.write_bytes(scenario.plan(brokers, duration_s=settings.duration, seed=settings.seed))
    words = ("--plan", str(plan), "--ledger", str(ledger(stack)))
    return Spec(DEVICES, (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)


def ledger(stack: LocalStack) -> Path:
    """Returns where the devices keep their ledger."""
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
        # Nothing may be under way while a bounded run counts its readings, and canaries never fall silent.
        canary_s = CANARY_S if settings.duration is None else 0.0
        own = [_quick(tier) for tier in tiers(stack, uplinks, canary_s)]
        start_tiers(stack, own)
        kafka = stack.env()["KAFKA_BOOTSTRAP"]
        observer = parts.enter_context(Observer(kafka, PARTITIONS, Sight()))
        screen.say("waiting until Spark scores")
        with Observer(kafka, PARTITIONS, Beats()) as beats:
            scores = wait_for(lambda: beats.asked(Beats.fresh), WARM_WITHIN_S, every_s=LOOK_EVERY_S)
        if not scores:
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
        screen.say(_page(stack))
        screen.say("admitting 24 patients")
        command(stack, "cloud", "admit", str(stack.var / "people" / "roster.csv"))
        if canary_s:
            admit_canaries(stack, canary_s)
        yield demo
