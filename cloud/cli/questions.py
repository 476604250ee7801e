"""`python -m cloud questions [ID yes|no|same --by NAME]`: lists the questions of ADT, or answers one."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from cloud.admissions.adt.answers import publish
from cloud.admissions.adt.records import Answer, PersonFile, Question, Verdict
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Record, read_to_end
from cloud.kafka.settings import Kafka
from vitals.bounds import BoundError, clean, decoded
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics


def open_questions(records: Iterable[Record]) -> list[Question]:
    """Returns the open questions of topic `adt`, oldest first."""
    files: dict[bytes, PersonFile] = {}
    for record in records:
        files.pop(record.key, None)
        try:
            if record.value is not None:
                files[record.key] = decoded(record.value, PersonFile)
        except BoundError:
            continue
    return sorted((q for file in files.values() for q in file.questions), key=lambda q: (q.asked, q.id))


def lines(questions: Iterable[Question]) -> list[str]:
    """Returns two lines for each question: its facts, and its text with the possible answers."""
    found = []
    for q in questions:
        facts = [q.patient, f"in {q.bed}" if q.bed else "", f"to {q.location}" if q.location else "", q.other]
        when = datetime.fromtimestamp(q.t / 1000, UTC).isoformat(timespec="seconds")
        found.append(f"{q.id}  {q.doubt.value:13} {when}  {' '.join(filter(None, facts))}")
        found.append(f"    {q.text} [{'/'.join(q.verdicts)}]")
    return found


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud questions", description=__doc__)
    parser.add_argument("question", nargs="?", help="question id")
    parser.add_argument("verdict", nargs="?", choices=[v.value for v in Verdict], help="answer")
    parser.add_argument("--by", help="who answers")
    words = parser.parse_args(argv)
    if words.question and not (words.verdict and words.by):
        parser.error("an answer needs yes, no or same, and --by NAME")
    log_json("questions")
    try:
        settings = load(Kafka, environ)
        reader = KafkaReader(settings, "questions")
        found = open_questions(read_to_end(reader, {(topics.ADT, 0): 0}))
        reader.close()
        if not words.question:
            sys.stdout.writelines(f"{line}\n" for line in lines(found) or ["no open question"])
            return 0
        asked = next((q for q in found if q.id == words.question), None)
        if asked is None or words.verdict not in asked.verdicts:
            reason = "is not open" if asked is None else f"has the answers {', '.join(asked.verdicts)}"
            sys.stderr.write(f"questions: question {words.question!r} {reason}\n")
            return 1
        answer = Answer(question=asked.id, verdict=Verdict(words.verdict), by=clean(words.by), t=now_ms())
        publish(KafkaWriter(settings, "questions"), answer)
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"questions: {error}\n")
        return 1
    sys.stdout.write(f"{words.verdict} to {asked.doubt.value} of {asked.patient}\n")
    return 0
