"""`python -m cloud replay`: the archived readings through the same engine under other limits."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from rich.console import Console

from cloud.alarm.ray import cluster
from cloud.lake import BadManifestError, LakeError, open_lake
from cloud.replay import reference_events as marked_events
from cloud.replay import trial_limits as trials
from cloud.replay.html_report import page
from cloud.replay.lake_source import devices
from cloud.replay.ray_tasks import TaskResult, joined, raised, spread, tasks
from cloud.replay.report import Report, build
from cloud.replay.text_report import lines, table
from vitals.runtime.daemon import log_json
from vitals.runtime.settings import SettingsError, load, setting

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Settings of `python -m cloud replay`."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    ray_auth_token: str | None = setting("secret that Ray's processes share; without it Ray keeps one at home", None)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the command line's arguments."""
    parser = argparse.ArgumentParser(prog="python -m cloud replay", description=__doc__)
    parser.add_argument("--from", dest="since", required=True, help="begin of the readings, ISO 8601")
    parser.add_argument("--to", dest="until", required=True, help="their end, not included")
    parser.add_argument("--limits", type=Path, help="TOML file of what to try; without it: the limits in force alone")
    parser.add_argument("--events", type=Path, help="CSV file or simulator's ledger of what really happened")
    parser.add_argument("--zone", default="UTC", help="the ward's time zone, such as Europe/Berlin (default: UTC)")
    parser.add_argument("--warm-up-h", type=float, default=1.0, help="hours read before, not counted (default: 1)")
    parser.add_argument(
        "--out", type=Path, default=Path("replay"), help="writes OUT.html and OUT.json (default: replay)"
    )
    parser.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="processor cores to use (default: all)")
    return parser.parse_args(argv)


def moment(text: str, zone: ZoneInfo) -> int:
    """Reads a time, on the ward's clock unless it has an offset; UTC epoch ms.

    Raises:
        ValueError: It is none.
    """
    t = datetime.fromisoformat(text)
    return round((t if t.tzinfo else t.replace(tzinfo=zone)).timestamp() * 1000)


def replayed(settings: Replay, given: argparse.Namespace, console: Console) -> tuple[Report, ZoneInfo]:
    """Runs the replay.

    Raises:
        ValueError: An argument, the trial or the events are wrong.
        LakeError: The lake cannot be read.
    """
    zone = ZoneInfo(given.zone)
    since, until = moment(given.since, zone), moment(given.until, zone)
    if since >= until:
        raise ValueError(f"--from {given.since} is not before --to {given.until}")
    trial = trials.read(given.limits.read_text(encoding="utf-8")) if given.limits else None
    store = open_lake(settings.lake)
    begin = since - round(given.warm_up_h * HOUR_MS)
    found = tasks(settings.lake, begin, until, trial, cpus=given.cpus)
    if not found:
        raise ValueError(f"the lake has no readings from {given.since} to {given.until}")
    marked = marked_events.read(given.events, devices(store, until), since, until) if given.events else ()
    if settings.ray_address:
        ray = cluster.join(settings.ray_address, settings.ray_auth_token)
    else:
        ray = cluster.alone(given.cpus, settings.ray_auth_token)

    def told(result: TaskResult) -> None:
        console.print(f"{result.readings:,} readings judged", style="dim")

    try:
        results = spread(ray, found, told)
    finally:
        ray.shutdown()
    rules = 1 if trial is None else 2
    watched = set().union(*(result.watched for result in results))
    readings = sum(result.readings for result in results)
    before = raised(store, since, until)
    return build(joined(results, rules), before, watched, trial, marked, span=(since, until), readings=readings), zone


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    given = arguments(argv)
    log_json("replay")
    shown, said = Console(width=None if sys.stdout.isatty() else 140), Console(stderr=True)
    try:
        report, zone = replayed(load(Replay, environ), given, said)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        _beside(given.out, "json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        _beside(given.out, "html").write_text(page(report, zone), encoding="utf-8")
    except (SettingsError, ValueError, LakeError, BadManifestError, OSError, ZoneInfoNotFoundError) as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    shown.print(table(report))
    for line in lines(report):
        shown.print(line)
    shown.print(
        f"{given.out.with_suffix('.html')} is the page for the ward, {given.out.with_suffix('.json')} has all alarms"
    )
    return 0


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.name}.{ending}")
