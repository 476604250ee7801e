"""`python -m cloud admit roster.csv`: admissions into topic `patients`, after a plan of the changes."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cloud.admissions.admission_rows import OPTIONAL, REQUIRED, parse, publish
from cloud.admissions.roster_plan import Effect, Step, plan
from cloud.cli import csv_file
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, read_to_end
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission
from vitals.bounds import decoded
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics


def known(reader: Reader, settings: Kafka) -> dict[str, Admission]:
    """Returns the newest readable admission of each patient, discharged ones included."""
    found: dict[str, Admission] = {}
    for record in read_to_end(reader, dict.fromkeys(settings.layout.places(topics.PATIENTS), 0)):
        patient = record.key.decode(errors="replace")
        try:
            if record.value is None:
                found.pop(patient, None)
            else:
                found[patient] = decoded(record.value, Admission)
        except ValueError as error:
            sys.stderr.write(f"admit: an admission of {patient} cannot be read: {error}\n")
    return found


def lines(steps: Sequence[Step]) -> Iterator[str]:
    """Yields a line for each row with an effect or a refusal, and the counts."""
    for step in steps:
        words = [f"{field} {old or '-'} -> {new or '-'}" for field, (old, new) in step.changes.items()]
        words += [step.reason] if step.reason else []
        words += [f"kept as set at the bed: {', '.join(step.kept)}"] if step.kept else []
        if words or step.effect is Effect.ADMIT:
            yield f"line {step.line}: {step.effect.value} {step.patient} {'; '.join(words)}".rstrip()
    counts = Counter(step.effect for step in steps)
    yield (
        f"{counts[Effect.ADMIT]} new, {counts[Effect.CHANGE]} changed, {counts[Effect.SAME]} unchanged, "
        f"{counts[Effect.LEFT]} left before, {counts[Effect.REFUSED]} refused"
    )


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = csv_file.parser("admit", "roster", __doc__, required=REQUIRED, optional=OPTIONAL)
    parser.add_argument("--preview", action="store_true", help="print the plan and change nothing")
    words = parser.parse_args(argv)
    log_json("admit")
    try:
        settings = load(Kafka, environ)
        table = csv_file.table(words.file, lambda lines: parse(lines, now_ms()), skip_bad=words.skip_bad)
        if table is None:
            return 1
        partitions.check(settings)
        reader = KafkaReader(settings, "admit")
        steps = plan(table.rows, known(reader, settings))
        reader.close()
        made = [step.admission for step in steps if step.admission is not None]
        if made and not words.preview:
            publish(KafkaWriter(settings, "admit"), made, settings)
    except (SettingsError, KafkaUnavailableError, OSError, ValueError) as error:
        sys.stderr.write(f"admit: {error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines(steps))
    sys.stdout.write("nothing was changed: --preview\n" if words.preview else f"admitted {len(made)} patients\n")
    refused = any(step.effect is Effect.REFUSED for step in steps)
    return 1 if table.errors or refused else 0
