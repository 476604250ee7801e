"""`python -m cloud advise PATIENT`: the calls that other limits would have spared this patient in a day."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table

from cloud.lake import BadManifestError, LakeError
from cloud.replay.advice import Advice, advise
from cloud.replay.formatting import condition
from cloud.replay.job import Replay
from vitals.alarm_events import Priority
from vitals.runtime.daemon import log_json
from vitals.runtime.settings import SettingsError, load


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m cloud advise", description=__doc__)
    parser.add_argument("patient", help="patient id")
    parser.add_argument("--json", action="store_true", help="print the advice as JSON, for a program")
    parser.add_argument("--until", help="end of the day that counts, ISO 8601 with an offset (default: now)")
    return parser.parse_args(argv)


def table(patient: str, found: Sequence[Advice]) -> Table:
    """Returns the table for the terminal."""
    shown = Table(title=f"Limits of patient {patient}: one day under other limits")
    for head in (
        "sign",
        "limit",
        "tried",
        "alarms",
        "calls spared",
        "hidden high",
        "hidden medium",
        "later",
        "advised",
    ):
        shown.add_column(head, justify="left" if head in {"sign", "advised"} else "right")
    for one in found:
        high = sum(a.priority is Priority.HIGH for a in one.hidden)
        medium = sum(a.priority is Priority.MEDIUM for a in one.hidden)
        shown.add_row(
            condition(one.sign), f"{one.bound} {one.present:g}", f"{one.tried:g}", str(one.alarms), str(one.spared),
            str(high), str(medium), f"{one.later_s:.0f} s", "yes" if one.advised else "no",
        )  # fmt: skip
    return shown


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    given = arguments(argv)
    log_json("advise")
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        until = datetime.now(UTC) if given.until is None else datetime.fromisoformat(given.until)
        if until.tzinfo is None:
            raise ValueError(f"--until {given.until} has no offset, such as +01:00")
        found = advise(load(Replay, environ).lake, given.patient, round(until.timestamp() * 1000))
    except (SettingsError, ValueError, LakeError, BadManifestError) as error:
        sys.stderr.write(f"advise: {error}\n")
        return 1
    if given.json:
        sys.stdout.write(msgspec.json.encode(found).decode())
        return 0
    if not found:
        console.print(f"No sign of patient {given.patient} had three alarms in that day: nothing to advise.")
        return 0
    console.print(table(given.patient, found))
    console.print("This is advice: a person sets a limit, for 24 hours, and sees first the alarms that it hides.")
    return 0
