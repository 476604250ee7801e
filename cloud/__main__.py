"""`python -m cloud <job>`: starts one job and imports only the modules of that job."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

DAEMONS: Final = {
    "score": ("cloud.score.job", "Spark: readings against limits and NEWS2, vitals -> vitals.scored"),
    "archive": ("cloud.archive.job", "Spark: topics -> Parquet and manifests in the lake"),
    "compact": ("cloud.lake.compact_job", "few large objects in the lake instead of many small ones"),
    "load": ("cloud.warehouse.job", "manifests -> warehouse"),
    "watch": ("cloud.alarm.job", "Ray: vitals.scored -> each patient's state -> alarms"),
    "notify": ("cloud.notify.job", "alarms -> the people on duty, by SNS"),
    "console": ("cloud.console.job", "the ward page"),
    "adt": ("cloud.adt.job", "HL7 ADT by MLLP and files -> patients, and questions for a person"),
}
COMMANDS: Final = {
    "topics": ("cloud.cli.topics", "creates the Kafka topics, or brings their settings up to date"),
    "admit": ("cloud.cli.admit", "ROSTER.csv -> patients"),
    "discharge": ("cloud.cli.discharge", "PATIENT leaves"),
    "questions": ("cloud.cli.questions", "what ADT asks, and a person's answers"),
    "canary": ("cloud.cli.canary", "admits gateways' canaries, which prove each minute that the path works"),
    "retire": ("cloud.cli.retire", "a gateway or bridge NAME is gone for good"),
    "duty": ("cloud.cli.rota", "ROTA.csv -> contacts"),
    "beds": ("cloud.cli.beds", "BEDS.csv -> contacts: the nurse and the buddy of each bed"),
    "contacts": ("cloud.cli.contacts", "PEOPLE.csv -> the house's directory of contacts; --leave removes one"),
    "act": ("cloud.cli.act", "acknowledge, audio-pause, chart, coming or cannot"),
    "reach": ("cloud.cli.reach", "who on duty is not reached, and by which channel"),
    "push-key": ("cloud.cli.push_key", "a new private key for Web Push"),
    "skipped": ("cloud.cli.skipped", "what the alarm tier has passed over; `replay` has it judged by mended code"),
    "erase": ("cloud.erase.job", "a patient leaves lake, warehouse, snapshots and topics"),
    "retain": ("cloud.erase.retain_job", "what is too old leaves lake and warehouse"),
    "replay": ("cloud.replay.job", "archived readings through the engine under other limits"),
    "advise": ("cloud.replay.advise_job", "the calls that other limits would have spared a PATIENT in a day"),
    "classes": ("cloud.score.jvm_class_archive", "an archive of classes, with which Spark starts sooner"),
    "dashboards": ("cloud.dashboards.job", "the dashboards Patient, Ward and Fleet in a Metabase"),
    "tail": ("cloud.cli.tail", "prints a topic, one reading or event a line"),
    "samples": ("cloud.cli.sample_data", "writes a roster and a rota of invented people"),
}


def usage() -> str:
    """Returns the help text."""
    lines = ["usage: python -m cloud JOB [ARGUMENTS]", "", "daemons (settings come from the environment):"]
    lines += [f"  {name:10} {text}" for name, (_, text) in DAEMONS.items()]
    lines += ["", "commands (JOB --help tells more):"]
    lines += [f"  {name:10} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    """Runs the job given by the first argument.

    Returns:
        Its exit status; 2 if there is no such job.
    """
    if not argv or argv[0] in {"-h", "--help", "help"}:
        (sys.stdout if argv else sys.stderr).write(usage())
        return 0 if argv else 2
    job, *rest = argv
    if job in DAEMONS:
        if rest:
            sys.stderr.write(f"python -m cloud {job} takes no arguments, its settings are environment variables\n")
            return 2
        return int(importlib.import_module(DAEMONS[job][0]).run(os.environ))
    if job in COMMANDS:
        return int(importlib.import_module(COMMANDS[job][0]).run(rest, os.environ))
    sys.stderr.write(f"unknown job {job!r}\n\n{usage()}")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
