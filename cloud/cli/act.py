"""`python -m cloud act`: acknowledge or pause an alarm, answer its call, chart, or set a patient's standby."""

import argparse
import sys
import uuid
from collections.abc import Mapping, Sequence

from cloud.admissions.actions import publish
from cloud.kafka import partitions
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.actions import OF_AN_ALARM, Act, Action
from vitals.bounds import clean
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load


def parser() -> argparse.ArgumentParser:
    """Returns the command's argument parser."""
    top = argparse.ArgumentParser(prog="python -m cloud act", description=__doc__)
    acts = top.add_subparsers(dest="act", required=True)
    for act in Act:
        sub = acts.add_parser(act.value)
        sub.add_argument("--by", required=True, help="who acts")
        sub.add_argument("--patient", help="patient id, or a technical alarm's subject (default: the alarm's)")
        if act in {Act.STANDBY, Act.STANDBY_END}:
            sub.add_argument("--bed", required=True, help="bed of the patient: a standby has no effect in another one")
        if act is Act.STANDBY:
            sub.add_argument("--minutes", type=int, default=20, help="length, 5 to 60 (default: %(default)s)")
        if act in OF_AN_ALARM:
            sub.add_argument("--alarm", required=True, help="alarm id")
        if act is Act.AUDIO_PAUSE:
            sub.add_argument("--seconds", type=int, default=120, help="length (default: %(default)s)")
        if act is Act.CHART:
            sub.add_argument("--oxygen", choices=("yes", "no"), help="supplemental oxygen")
            sub.add_argument("--consciousness", choices=tuple("ACVPU"), help="ACVPU")
    return top


def action(arguments: argparse.Namespace, now: int) -> Action:
    """Builds the action.

    Args:
        arguments: Result of `parser`.
        now: UTC epoch ms.

    Raises:
        ValueError: Nothing is charted, or the patient is missing.
    """
    alarm = getattr(arguments, "alarm", None)
    # An alarm's id is subject.condition.start, and a subject may contain dots.
    patient = arguments.patient or (alarm.rsplit(".", 2)[0] if alarm else None)
    if not patient:
        raise ValueError("--patient is needed")
    oxygen, consciousness = getattr(arguments, "oxygen", None), getattr(arguments, "consciousness", None)
    if arguments.act == Act.CHART and oxygen is None and consciousness is None:
        raise ValueError("chart needs --oxygen or --consciousness")
    length_s = 60 * arguments.minutes if arguments.act == Act.STANDBY else getattr(arguments, "seconds", 120)
    return Action(
        id=uuid.uuid4().hex,
        act=Act(arguments.act),
        patient=patient,
        t=now,
        by=clean(arguments.by),
        alarm=alarm,
        pause_s=length_s,
        bed=getattr(arguments, "bed", None),
        oxygen=None if oxygen is None else oxygen == "yes",
        consciousness=consciousness,
    )


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    arguments = parser().parse_args(argv)
    log_json("act")
    try:
        settings = load(Kafka, environ)
        made = action(arguments, now_ms())
        partitions.check(settings)
        publish(KafkaWriter(settings, "act"), made, settings)
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"act: {error}\n")
        return 1
    sys.stdout.write(f"{made.act.value} {made.alarm or made.patient} by {made.by}\n")
    return 0
