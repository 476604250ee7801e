"""Brings up what a storm strikes: the whole path behind links that can be spoilt, its load, and who is in the beds."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from infra.demo.fault_proxy import Relay
from infra.local.ports import HOST
from infra.local.process import Spec, base_env
from infra.local.servers.sns.server import Options
from infra.local.services import Tier, tiers
from infra.local.stack import LocalStack
from tests.bench.path import breach_scenario
from tests.bench.path.environment import Settings, Stage, whole_path
from tests.faults.path.plan import AWS_LINK, BRIDGE_LINK, GATEWAYS, LOAD_LINK, SNS_LINK, WARDS, WAREHOUSE_LINK
from tests.load.environment import site
from tests.load.plan import WARD, Plan
from tests.load.subprocess_load import Apart

RATE: Final = 2_000
BEDS: Final = 24
"""Beds of each ward with a real gateway, a reading a second each."""
DEVICE_CADENCE_S: Final = 1.0
CADENCE_S: Final = 10.0
PER_GATEWAY: Final = 30
BREACHES_A_ROUND: Final = 10
HANDOVER_S: Final = 3_600.0
"""Nobody acknowledges here; handed over after two minutes as usual, alarms of half an hour would be all there is."""
CARD_BYTES: Final = 48 << 20
CARD: Final = GATEWAYS[0]
CLOCK: Final = GATEWAYS[1]
SNS: Final = Options(answer_ms=30.0, confirmed=True, emails_per_s=0)
"""Everybody has confirmed, and one nurse of a storm has more mail than SNS would send: here the path is judged."""
SETTINGS: Final[Settings] = {
    "edge": {"UPLINK_FLUSH_S": "5"},
    "archive": {"ARCHIVE_INTERVAL_S": "5"},
    "load": {"LOAD_INTERVAL_S": "5"},
    "watch": {"WATCH_HANDOVER_S": f"{HANDOVER_S:g}"},
    # Every message is looked for, so none is merged.
    "notify": {"NOTIFY_BURST": "100000"},
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands.

    Attributes:
        stage: The path.
        cables: Its links by name.
        plan: What the synthetic gateways send.
        load: They.
        beds: Beds by ward.
        roster: Who lies in the beds of the real gateways, a CSV file.
        ledger: What the monitors beside them made, JSON lines.
    """

    stage: Stage
    cables: dict[str, Relay]
    plan: Plan
    load: Apart
    beds: dict[str, int]
    roster: Path
    ledger: Path


def clock_file(stack: LocalStack) -> Path:
    """Returns the file that moves a gateway's clock."""
    return stack.var / "clock"


def card(stack: LocalStack) -> Path:
    """Returns the small card on which a gateway's outbox lies."""
    return stack.var / "card"


@contextmanager
def standing(folder: Path, seed: int, duration_s: float) -> Iterator[Standing]:
    """Brings everything up, admits everybody, and lets readings flow, until the block ends.

    Args:
        folder: Empty, for all data.
        seed: Of patients and values.
        duration_s: Over which the bedside's breaches are spread.
    """
    beds = dict.fromkeys(WARDS, BEDS)
    plan = load_plan(seed)
    cables: dict[str, Relay] = {}
    rosters: list[Path] = []
    with ExitStack() as parts:
        stage = parts.enter_context(
            whole_path(
                folder,
                gateways=GATEWAYS,
                settings=SETTINGS,
                prepare=lambda stack: rosters.append(_prepare(stack, folder, beds, seed)),
                chosen=lambda stack: _chosen(stack, parts, cables),
                sns=SNS,
            )
        )
        devices = _devices(stage, beds, duration_s, seed)
        stage.stack.processes.start(devices)
        stage.command("cloud", "admit", str(rosters[0]))
        broker = replace(site(stage.stack), url=f"mqtts://{HOST}:{cables[LOAD_LINK].port}")
        load = parts.enter_context(Apart(plan, broker))
        yield Standing(stage, cables, plan, load, beds, rosters[0], ledger(stage))
        stage.stack.processes.end([devices.name])


def ledger(stage: Stage) -> Path:
    """Returns where the monitors keep their ledger."""
    return stage.folder / "devices" / "ledger.jsonl"


def load_plan(seed: int) -> Plan:
    """Returns what the synthetic gateways send: with the real ones' readings some 2,000 a second.

    Their patients are admitted nowhere. The engine judges whom it does not know all the same; but a gateway to which
    somebody is admitted is expected to tell how it is, and synthetic ones do not.
    """
    patients = int((RATE - len(WARDS) * BEDS / DEVICE_CADENCE_S) * CADENCE_S) // PER_GATEWAY * PER_GATEWAY
    return Plan(
        patients=patients,
        per_gateway=PER_GATEWAY,
        cadence_s=CADENCE_S,
        connections=4,
        name=f"f{seed}",
        seed=seed,
        breach_every=patients // BREACHES_A_ROUND,
    )


def _prepare(stack: LocalStack, folder: Path, beds: dict[str, int], seed: int) -> Path:
    os.environ |= {key: value for key, value in stack.env().items() if key.startswith("AWS_")}
    # The roster names the real gateways' wards; the rota has the synthetic one's too.
    breach_scenario.people(stack, folder / "everybody", {**beds, WARD: 1}, DEVICE_CADENCE_S, seed)
    return _without(folder / "everybody" / "roster.csv", WARD)


def _chosen(stack: LocalStack, parts: ExitStack, cables: dict[str, Relay]) -> list[Tier]:
    """Lays the links; returns what runs over them."""
    for name in (*GATEWAYS, LOAD_LINK, BRIDGE_LINK):
        cables[name] = parts.enter_context(Relay(stack.ports.site))
    cables[AWS_LINK] = parts.enter_context(Relay(stack.ports.moto))
    cables[SNS_LINK] = parts.enter_context(Relay(stack.ports.sns))
    cables[WAREHOUSE_LINK] = parts.enter_context(Relay(stack.ports.postgres))
    parts.enter_context(_small_card(card(stack)))
    return [_linked(stack, tier, cables) for tier in tiers(stack)]


def _without(roster: Path, ward: str) -> Path:
    """Leaves a ward out of a roster; returns the file with the rest."""
    with roster.open(newline="", encoding="utf-8") as file:
        first, *rows = list(csv.reader(file))
    place = first.index("ward")
    kept = roster.with_name("roster-real.csv")
    with kept.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([first, *(row for row in rows if row[place] != ward)])
    return kept


def _linked(stack: LocalStack, tier: Tier, cables: dict[str, Relay]) -> Tier:
    """Returns a tier that reaches the others over the links."""
    env, ports = stack.env(), stack.ports
    own = {
        name: env[name].replace(f"{HOST}:{ports.moto}", f"{HOST}:{cables[AWS_LINK].port}")
        for name in ("AWS_ENDPOINT_URL", "LAKE", "ALERT_OUTBOX_URL")
    }
    place = f"{HOST}:{ports.postgres}"
    own["WAREHOUSE"] = env["WAREHOUSE"].replace(place, f"{HOST}:{cables[WAREHOUSE_LINK].port}")
    own["AWS_ENDPOINT_URL_SNS"] = f"http://{HOST}:{cables[SNS_LINK].port}"
    words = tier.words
    gateway = tier.name.removeprefix("edge-")
    if tier.name == "bridge":
        own["UPLINK"] = f"mqtts://{HOST}:{cables[BRIDGE_LINK].port}"
    elif gateway in GATEWAYS:
        own["UPLINK"] = f"mqtts://{HOST}:{cables[gateway].port}"
        if gateway == CARD:
            own["EDGE_DATA"] = str(card(stack) / "edge")
        if gateway == CLOCK:
            words = ("tests.support.fake_clock", str(clock_file(stack)), *words)
    return replace(tier, words=words, settings={**tier.settings, **own})


@contextmanager
def _small_card(folder: Path) -> Iterator[None]:
    """A file system of its own, in memory; needs root."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={CARD_BYTES}", "tmpfs", str(folder)]
    subprocess.run(words, check=True)  # noqa: S603 - fixed words
    try:
        yield
    finally:
        # Nobody works on it any more: the processes ended before.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - as above


def _devices(stage: Stage, beds: dict[str, int], duration_s: float, seed: int) -> Spec:
    folder = stage.folder / "devices"
    folder.mkdir()
    brokers = {ward: stage.stack.device_broker_url(gateway) for ward, gateway in zip(beds, GATEWAYS, strict=True)}
    plan = msgspec.json.decode(
        breach_scenario.plan(brokers, beds, duration_s=duration_s, cadence_s=DEVICE_CADENCE_S, seed=seed)
    )
    (folder / "plan.json").write_text(json.dumps(plan))
    words = ("--plan", str(folder / "plan.json"), "--ledger", str(ledger(stage)))
    return Spec("devices", (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)
