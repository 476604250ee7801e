"""Runs the demo: the scenario and, if it is bounded, the reconciliation."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg

from infra.demo import report as reports
from infra.demo import scenario
from infra.demo.environment import DEVICES, Running, ledger, running
from infra.demo.faults import Fault, storm
from infra.demo.nurse import Nurse, patients, writer
from infra.demo.poll_view import Viewer
from infra.demo.reconciliation import Identity, Sent, judge
from infra.demo.screen import Message, Screen
from infra.demo.settings import DemoSettings
from infra.demo.stores import Lake, Warehouse
from infra.demo.supervisor import wait_for
from infra.local.memory_usage import PeakMemory
from infra.local.ports import Ports
from infra.local.process import PartError
from infra.local.stack import MOTO
from tests.bench.path.run_files import keep
from vitals.runtime.daemon import now_ms

SHOW_EVERY_S: Final = 0.5
DRAIN_WITHIN_S: Final = 180.0
QUIET_S: Final = 5.0


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


def bounded(settings: DemoSettings, screen: Screen, ports: Ports | None = None) -> tuple[dict[str, Any], list[Message]]:
    """Runs a bounded demo.

    Returns:
        Its report, and the messages that people were sent.
    """
    with running(settings, screen, ports) as demo, PeakMemory(demo.stack.processes) as peak:
        play(settings, demo, screen)
        result = reckon(demo, screen, lambda: peak.peak_mb)
        if settings.life is not None:
            _keep(settings.life, demo)
        return result, demo.messages


def _keep(folder: Path, demo: Running) -> None:
    stack = demo.stack
    keep(
        folder,
        bootstrap=stack.env()["KAFKA_BOOTSTRAP"],
        ledger=ledger(stack),
        roster=stack.var / "people" / "roster.csv",
        cadence_s=scenario.CADENCE_S,
        alone=False,
    )


def endless(settings: DemoSettings, screen: Screen) -> None:
    """Runs the demo until Ctrl-C."""
    with running(settings, screen) as demo:
        play(settings, demo, screen)


def play(settings: DemoSettings, demo: Running, screen: Screen) -> None:
    """Plays the scenario until its end, or until Ctrl-C."""
    faults = _faults(settings, demo)
    viewer = Viewer(demo)
    nurse = _nurse(settings, demo)
    while settings.duration is None or time.monotonic() - demo.began < settings.duration:
        while faults and faults[0].at_s <= time.monotonic() - demo.began:
            demo.supervisor.strike(faults.pop(0))
        view = viewer.look()
        screen.show(view)
        if nurse is not None:
            nurse.look(view.alarms, now_ms())
        time.sleep(SHOW_EVERY_S)


def _nurse(settings: DemoSettings, demo: Running) -> Nurse | None:
    """Returns the nurse of an endless demo; a bounded one measures handovers, which an answer would prevent."""
    if settings.duration is not None:
        return None
    roster = patients(demo.stack.var / "people" / "roster.csv")
    return Nurse(writer(demo.stack.env()["KAFKA_BOOTSTRAP"]), roster, scenario.OFF_MONITOR, now_ms())


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
            taken = demo.supervisor.accepted()
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
            sent=Sent(ledger(demo.stack)).count(),
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
