"""`python -m edge [--check-config | status | accepted]`: the gateway and its tools."""

import argparse
import dataclasses
import fcntl
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

import msgspec

from edge.clock.boot_clock import this_boot
from edge.devices.canary import Canary
from edge.devices.child_driver import ChildDriver
from edge.devices.driver import Driver
from edge.devices.identities import Identities
from edge.devices.listener import programs
from edge.devices.mqtt_driver import MqttDriver
from edge.gateway import Gateway, down
from edge.metrics import Metrics
from edge.settings import Settings, StoreSettings
from edge.status import cli
from edge.status.report import offline
from edge.store.open import open_outbox
from edge.store.outbox import Outbox
from edge.store.runtime_state import RuntimeState, take_up
from edge.store.sqlite import is_corrupt
from edge.store.without_card import InMemoryStore, until_there_is_one
from edge.uplink.client import Uplink
from vitals.runtime import daemon
from vitals.runtime.settings import SettingsError, load

log = logging.getLogger("edge")


def start(settings: Settings, stop: Event) -> int:
    """Runs the gateway until the event is set; returns its exit status."""
    daemon.serve_metrics(settings.metrics_port)
    metrics = Metrics()
    try:
        with _alone(settings.edge_data):
            while not stop.is_set():
                _run_until_damaged(settings, stop, metrics)
    except BlockingIOError:
        log.error("another gateway runs on EDGE_DATA=%s: stop it, or give this one its own", settings.edge_data)
        return 1
    return 0


def _run_until_damaged(settings: Settings, stop: Event, metrics: Metrics) -> None:
    try:
        _run_once(settings, stop, metrics)
    except sqlite3.DatabaseError as error:
        if not is_corrupt(settings.edge_data, error):
            raise
        log.error("the outbox is damaged: %s; it is set aside and a new one is created", error)


def _run_once(settings: Settings, stop: Event, metrics: Metrics) -> None:
    runtime = RuntimeState(settings.runtime_directory)
    spare = runtime.values()
    try:
        outbox = open_outbox(settings.edge_data, daemon.now_ms())
        take_up(spare, outbox)
    except (sqlite3.OperationalError, OSError) as error:
        log.error(
            "the outbox in EDGE_DATA=%s cannot be opened: %s; bedside alarms still work, but nothing is stored: check "
            "the disk and its owner",
            settings.edge_data,
            error,
        )
        with until_there_is_one(settings.edge_data, stop, runtime) as ended:
            _run_with(settings, InMemoryStore(settings.edge_data, spare), ended, metrics)
        return
    _run_with(settings, outbox, stop, metrics)


def _run_with(settings: Settings, outbox: Outbox, stop: Event, metrics: Metrics) -> None:
    now = daemon.now_ms()
    try:
        bedside = MqttDriver(
            settings.device_broker,
            settings.gateway,
            settings.device_user,
            settings.device_password,
            will=msgspec.json.encode(down(settings.gateway, now)),
        )
        gateway = Gateway(
            settings,
            outbox,
            [bedside, *_drivers(settings, outbox, metrics)],
            bedside,
            metrics=metrics,
            now_ms=daemon.now_ms,
            boot=partial(this_boot, runtime=settings.runtime_directory),
        )
        will = msgspec.json.encode(offline(settings.gateway, now))
        with _canary(settings):
            gateway.run(Uplink(settings, will, gateway.receive), stop)
    finally:
        outbox.close()


def _drivers(settings: Settings, outbox: Outbox, metrics: Metrics) -> list[Driver]:
    """Returns the drivers in processes of their own, one for each scheme of `DEVICE_DRIVERS`."""
    identities = Identities(outbox.identities()) if settings.device_drivers else Identities()
    return [
        ChildDriver(program, identities, restarted=metrics.driver_restarts.labels(program.name).inc)
        for program in programs(settings.device_drivers)
    ]


@contextmanager
def _canary(settings: Settings) -> Iterator[None]:
    """Runs the gateway's canary, if its period is set."""
    if not settings.canary_s:
        yield
        return
    canary = Canary(
        settings.device_broker, settings.gateway, settings.canary_s, settings.device_user, settings.device_password
    )
    canary.start()
    try:
        yield
    finally:
        canary.stop()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Locks the directory: two gateways on one outbox would use batch numbers twice."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (directory / "lock").open("w")
    except OSError as error:
        # If nothing can be written, no number can be used twice.
        log.error("EDGE_DATA=%s cannot be written: %s; check the disk and its owner", directory, error)
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _check_config(environ: Mapping[str, str]) -> int:
    try:
        settings = load(Settings, environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, value in dataclasses.asdict(settings).items():
        sys.stdout.write(f"{name.upper()}={'***' if 'password' in name and value else value}\n")
    return 0


def _show(what: str, environ: Mapping[str, str]) -> int:
    directory = load(StoreSettings, environ).edge_data
    try:
        if what == "status":
            sys.stdout.write(json.dumps(cli.status(directory, daemon.now_ms()), indent=2) + "\n")
        else:
            sys.stdout.writelines(json.dumps(line) + "\n" for line in cli.accepted(directory))
    except sqlite3.OperationalError as error:
        sys.stderr.write(f"no outbox can be read in EDGE_DATA={directory}: {error}; has the gateway run there?\n")
        return 1
    return 0


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Runs the chosen command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m edge", description="Wardwatch's gateway")
    parser.add_argument("--check-config", action="store_true", help="print the settings and exit; 2 when one is wrong")
    parser.add_argument(
        "command", nargs="?", choices=["status", "accepted"], help="print the state, or what was accepted"
    )
    chosen = parser.parse_args(arguments)
    if chosen.check_config:
        return _check_config(environ)
    if chosen.command:
        return _show(chosen.command, environ)
    return daemon.run("edge", Settings, start, environ)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
