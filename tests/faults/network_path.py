"""The path over three hosts: gateway, site and cloud, with wires that delay, lose and cut.

`python -m tests.faults.network_path OUTAGE_S PHASE_S whole|short` runs it in namespaces of its own (`hosts.alone`)
and prints what it saw as JSON. `short` has no Spark, Ray and SNS: from devices to Kafka alone.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.demo.counters import Sight
from infra.demo.reconciliation import accepted
from infra.demo.supervisor import edge_says, wait_for
from infra.local.pki import Authority
from infra.local.ports import Ports
from infra.local.process import Spec, base_env
from infra.local.servers.mosquitto import device_broker, site_broker
from infra.local.services import make_topics, start_tiers, tiers
from infra.local.stack import KAFKA, MOTO, LocalStack
from infra.local.topic_observer import Observer
from tests.faults.hosts import SERVICE, Line, Wire, inside, network
from vitals.alarm_events import Kind
from vitals.engine.constants import LIVE_MS
from vitals.runtime.daemon import now_ms

GATEWAY: Final = "gw-icu"
EVERY_HOST: Final = "0.0.0.0"  # noqa: S104 - in a namespace
BEDS: Final = 6
CADENCE_S: Final = 1.0
OVER, HOLDS = "mon-icu-01", "mon-icu-02"
"""The patient whose desaturation is over before the line heals, and the one whose goes on."""
OVER_UNTIL: Final = 0.6
"""Share of the outage after which that patient is well again."""
PARTITIONS: Final = 16
DRAIN_WITHIN_S: Final = 180.0
SAY: Final = sys.stderr.write


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what happens, seconds after the devices start.

    Attributes:
        outage_s: How long the gateway has no uplink.
        phase_s: How long every other weather lasts.
    """

    outage_s: float
    phase_s: float

    @property
    def cut_at_s(self) -> float:
        """When the uplink is cut: after a calm, a slow and a lossy time."""
        return 3 * self.phase_s

    def plan(self, broker: str) -> dict[str, Any]:
        """The devices: two fall ill while nobody above can see it."""

        def story(name: str, until_s: float | None) -> dict[str, Any]:
            ill = self.cut_at_s + self.outage_s * 0.2
            frames = [{"at_s": ill, "phase": "well"}, {"at_s": ill + 2, "phase": "ill", "hypoxia": 19}]
            if until_s is not None:
                frames += [{"at_s": until_s, "phase": "ill", "hypoxia": 19}, {"at_s": until_s + 2, "phase": "well"}]
            return {"name": name, "frames": frames}

        stories = [story("over", self.cut_at_s + self.outage_s * OVER_UNTIL), story("holds", None)]
        devices: list[dict[str, Any]] = [{"device": f"mon-icu-{n:02d}", "broker": broker} for n in range(1, BEDS + 1)]
        devices[0]["story"], devices[1]["story"] = "over", "holds"
        return {
            "devices": devices,
            "stories": stories,
            "cadence_s": CADENCE_S,
            "simulator": "2026-11",
            "artefacts": {"scale": 0},
        }


class ThreeHosts:
    """The three hosts with all that runs on them.

    Args:
        stack: What runs in the cloud.
        schedule: When what happens.
        whole: Whether Spark, Ray and SNS run too.
    """

    def __init__(self, stack: LocalStack, schedule: Schedule, *, whole: bool) -> None:
        self._stack, self._schedule, self._whole = stack, schedule, whole
        chosen = {f"edge-{GATEWAY}", "bridge"} | ({"score", "watch", "notify"} if whole else set())
        self._tiers = [tier for tier in tiers(stack) if tier.name in chosen]
        self._uplink = {"UPLINK": f"mqtts://site-broker:{stack.ports.site}"}
        (edge,) = (tier for tier in self._tiers if tier.name.startswith("edge-"))
        spec = edge.spec(stack, **self._uplink, UPLINK_FLUSH_S="2")
        self.edge = self._on("gateway", spec)

    def start(self) -> None:
        """Starts everything but the devices."""
        var, ports = self._stack.var, self._stack.ports
        server = Authority(var / "pki").server("site-broker")
        site = site_broker(var / "site-broker", ports.site, server, self._stack.identity("probe"), host=EVERY_HOST)
        below = device_broker("device-broker", var / "device-broker", ports.devices[0])
        self._up(
            self._on("site", replace(site, ready=lambda: _answers(SERVICE, ports.site))), self._on("gateway", below)
        )
        make_topics(self._stack)
        above = [
            replace(tier, settings={**tier.settings, **self._uplink}) if tier.name == "bridge" else tier
            for tier in self._tiers
            if not tier.name.startswith("edge-")
        ]
        people = var / "people"
        self._command("samples", "--out", str(people), "--wards", f"icu={BEDS}", "--cadence", f"{CADENCE_S:g}")
        self._command("duty", str(people / "rota.csv"))
        start_tiers(self._stack, above)
        self._up(self.edge)

    def devices(self) -> None:
        """Switches the monitors on, and admits their patients."""
        folder = self._stack.var / "devices"
        folder.mkdir()
        plan = self._schedule.plan(f"mqtt://127.0.0.1:{self._stack.ports.devices[0]}")
        (folder / "plan.json").write_text(json.dumps(plan))
        words = ("-m", "firmware_sim", "--plan", str(folder / "plan.json"), "--ledger", str(folder / "ledger.jsonl"))
        self._up(self._on("gateway", Spec("devices", (sys.executable, *words), base_env(), stop_timeout_s=30)))
        self._command("admit", str(self._stack.var / "people" / "roster.csv"))

    def backlog(self) -> int:
        """Batches that Kafka does not hold yet."""
        return int(json.loads(edge_says(self.edge, "status"))["backlog"]["batches"])

    def end_devices(self) -> None:
        """Switches the monitors off."""
        self._stack.processes.end(["devices"])

    def _up(self, *specs: Spec) -> None:
        for spec in specs:
            self._stack.processes.start(spec)
        for spec in specs:
            self._stack.processes.wait_ready(spec)

    def _command(self, *words: str) -> None:
        argv = [sys.executable, "-m", "cloud", *words]
        env = {**base_env(), **self._stack.env()}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words
        if done.returncode != 0:
            raise RuntimeError(f"cloud {' '.join(words)}: {done.stderr[-500:]}")

    @staticmethod
    def _on(host: str, spec: Spec) -> Spec:
        """A process on another host, whose ports cannot be probed from here."""
        return replace(spec, argv=inside(host, spec.argv), ready=spec.ready if host == "site" else lambda: True)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def weather(near: Wire, far: Wire, schedule: Schedule, told: Callable[[str], None]) -> None:
    """Lets the times pass: calm, slow, lossy, then cut."""
    for name, line in (
        ("calm", Line()),
        ("2 s latency", Line(delay_s=2.0)),
        ("10 % loss on both wires", Line(loss=0.1)),
    ):
        told(name)
        near.line = line
        far.line = replace(line, delay_s=0.0)
        time.sleep(schedule.phase_s)
    far.line = Line()
    told(f"no uplink for {schedule.outage_s:g} s")
    near.line = Line(cut=True)
    time.sleep(schedule.outage_s)


def story(path: ThreeHosts, wires: tuple[Wire, Wire], schedule: Schedule, observer: Observer) -> dict[str, Any]:
    """Plays everything; returns what was seen."""
    near, far = wires

    def told(what: str) -> None:
        SAY(f"network: {what}\n")

    path.devices()
    weather(near, far, schedule, told)
    waiting = path.backlog()
    healed = now_ms()
    near.line = Line()
    told(f"healed, {waiting} batches wait")
    began = time.monotonic()
    drained = wait_for(lambda: path.backlog() <= 1, DRAIN_WITHIN_S, every_s=0.5)
    drain_s = time.monotonic() - began
    told(f"site and cloud parted for {schedule.phase_s:g} s")
    far.line = Line(cut=True)
    time.sleep(schedule.phase_s)
    far.line = Line()
    time.sleep(schedule.phase_s)
    path.end_devices()
    taken: set[tuple[str, int, int]] = set()

    def all_there() -> bool:
        nonlocal taken
        taken = accepted(edge_says(path.edge, "accepted").splitlines())
        with observer.lock:
            return bool(taken) and taken <= observer.sight.kafka.counts.keys()

    wait_for(all_there, DRAIN_WITHIN_S)
    wait_for(lambda: path.backlog() == 0, DRAIN_WITHIN_S)
    told("counting")
    return {
        "accepted": len(taken),
        "waiting_batches": waiting,
        "drained": drained,
        "drain_s": round(drain_s, 1),
        "backlog_left": path.backlog(),
        "lost_packets": near.lost + far.lost,
        "healed": healed,
    } | counts(observer, taken, healed)


def counts(observer: Observer, taken: set[tuple[str, int, int]], healed: int) -> dict[str, Any]:
    """Counts by identity what arrived, and looks at every page."""
    wait_for(lambda: taken <= observer.sight.scored.counts.keys(), 30.0 if observer.sight.scored else 0.1)
    with observer.lock:
        sight = observer.sight
        bodily = [n for n in sight.notifications if sight.latest[n.alarm].kind is Kind.PHYSIOLOGICAL]
        after = [n.accepted - healed for n in bodily if sight.latest[n.alarm].device == HOLDS and n.accepted > healed]
        return {
            "lost": len(taken - sight.kafka.counts.keys()),
            "lost_scored": len(taken - sight.scored.counts.keys()),
            "twice_in_kafka": sight.kafka.repeated,
            "pages": len(sight.notifications),
            "stale_pages": sum(n.accepted - n.t > LIVE_MS for n in bodily),
            "pages_of_what_was_over": sum(sight.latest[n.alarm].device == OVER for n in bodily),
            "page_after_heal_s": round(min(after) / 1000, 1) if after else None,
            "alarms": sorted(f"{e.condition} {e.subject}" for e in sight.latest.values()),
        }


def main(arguments: list[str]) -> int:
    """Runs the story and prints what was seen."""
    schedule, whole = Schedule(float(arguments[0]), float(arguments[1])), arguments[2] == "whole"
    with tempfile.TemporaryDirectory() as var, network({"site-broker": SERVICE}) as wires:
        ports = Ports.ephemeral(gateways=1)
        parts = (KAFKA, MOTO) if whole else (KAFKA,)
        with LocalStack(Path(var), ports=ports, gateways=(GATEWAY,), parts=parts, kafka_heap_mb=256) as stack:
            path = ThreeHosts(stack, schedule, whole=whole)
            path.start()
            with Observer(f"127.0.0.1:{ports.kafka}", PARTITIONS, Sight()) as observer:
                seen = story(path, wires, schedule, observer)
    sys.stdout.write(json.dumps(seen) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
