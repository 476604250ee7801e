"""Rubbish at every door of the running stack, beside patients who are well and some who fall: `make faults ONLY=doors`.

20,000 requests to the ward page, 20,000 rows of files and 960,000 messages by MQTT and Kafka, wrong in up to three
places each (`tests/doors/hostile.py`), within some 40 minutes: monitors to the gateways of the neighbours, a gateway to
the bridge, and records into each topic that a part reads. Files are loaded 200 rows at a time, as a process for each of
20,000 rows would take hours. Then three things are counted: parts that ended, neighbours of whom somebody was not told
or told falsely, by the judge (`tests/truth/judge.py`), and inputs of which nobody says what became of them
(`tests/faults/doors/reckoning.py` has how that is reckoned).

`FAULTS_SHARE=0.02` sends a fiftieth, in some four minutes; `FAULTS_RATE` (500) messages a second by MQTT and Kafka set
the length, `FAULTS_SEED` draws others. `LIFE=folder` keeps what the judge saw.
"""

import csv
import os
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from cloud.alarm.decoded_records import decode
from cloud.kafka.client import KafkaReader
from cloud.kafka.port import Record
from cloud.settings import Kafka
from infra.local.ports import HOST
from infra.local.servers.sns import part as sns
from tests.bench.path import run_files
from tests.bench.path.environment import Stage
from tests.faults.doors import doors
from tests.faults.doors.reckoning import Seen, Sent, twice, uncounted
from tests.faults.doors.stage import BEDS, CADENCE_S, FALLS, WARDS, Parts, ledger, standing
from tests.faults.judged import judged
from tests.truth.judge import MUST_BE_ZERO, Judgement
from tests.truth.ledger import read as read_ledger
from vitals.actions import Action
from vitals.alarm_events import AlarmEvent
from vitals.bounds import BoundError, decoded
from vitals.contacts import Notification
from vitals.status import Rejected
from vitals.wire import topics
from vitals.wire.vitals_record import ScoredRecord

SHARE: Final = float(os.environ.get("FAULTS_SHARE", "1"))
RATE: Final = float(os.environ.get("FAULTS_RATE", "500"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "18"))
LIFE: Final = os.environ.get("LIFE", "")
MESSAGES, REQUESTS, ROWS = 960_000, 20_000, 20_000
LEAST_S: Final = 240.0
"""A patient's fall and what follows take so long."""
WARM_S: Final = 20.0
SETTLED_S: Final = 300.0
LOOK_S: Final = 5.0
LAST_S: Final = 30.0
BATCH: Final = 100
TOLD_S: Final = 150.0
"""After the last input, until whoever still falls has been told of."""


SOURCE: Final = re.compile(rb'"partition":(\d+),"offset":(\d+),"timestamp":\d+}\Z')
"""What Spark puts at the end of a record, whatever stands before it."""


def say(text: str) -> None:
    """Tells how far the storm is."""
    sys.stderr.write(f"doors: {text}\n")


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    seconds = max(LEAST_S, MESSAGES * SHARE / RATE)
    with tempfile.TemporaryDirectory(prefix="wardwatch-doors-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with standing(folder, seconds, SEED) as (stage, roster):
            return _stormed(stage, roster, seconds, Path(LIFE or folder / "life"))


def _stormed(stage: Stage, roster: Path, seconds: float, life: Path) -> list[dict[str, Any]]:
    time.sleep(WARM_S)
    sent, look = Sent(), Look(stage)
    per_way = round(MESSAGES * SHARE / 4)
    ways = {
        "devices": doors.devices(stage, per_way, sent, SEED),
        "gateway": doors.gateway(stage, per_way, sent, SEED),
        "log": doors.log(stage, per_way * 2, sent, SEED),
        "page": doors.page(stage, round(REQUESTS * SHARE), sent, SEED),
        "files": doors.files(stage, round(ROWS * SHARE), sent, SEED),
    }
    with Parts(stage) as parts:
        doors.all_at_once(ways, seconds, say)
        say("sent; waiting until all of it is accounted for")
        told, ends = time.monotonic() + TOLD_S, time.monotonic() + SETTLED_S
        while time.monotonic() < told or (uncounted(sent, look()) and time.monotonic() < ends):
            time.sleep(LOOK_S)
        # Of the monitors' own frames the ledger tells only once there are no more of them.
        stage.stack.processes.end(["devices"])
        ends = time.monotonic() + LAST_S
        while uncounted(sent, seen := look()) and time.monotonic() < ends:
            time.sleep(1)
        ended = [*parts.ended, *parts.inside()]
        parts.stop()
    look.close()
    with roster.open(newline="", encoding="utf-8") as file:
        people = {row["patient"]: row["devices"] for row in csv.DictReader(file)}
    return _rows(sent, seen, ended, _judged(stage, roster, life), people)


def _rows(
    sent: Sent, seen: Seen, ended: list[str], judgement: Judgement, people: Mapping[str, str]
) -> list[dict[str, Any]]:
    for line in (*ended, *map(str, judgement.lines)):
        say(line)
    left, again, due = uncounted(sent, seen), twice(sent, seen), judgement.rows["truth.due"]
    missed = ", ".join(f"{name.removeprefix('truth.')} {judgement.rows[name]:g}" for name in MUST_BE_ZERO)
    fell = {patient for patient, device in people.items() if device in dict(FALLS)}
    # Whoever fell and is well again may be told of longer than the judge would: that is the rules', rubbish or not.
    false = [line for line in judgement.lines if "false" in line and line["patient"] in fell]
    harmed = {line["patient"] for line in judgement.lines if line not in false}
    written = sum(map(len, sent.offsets.values()))
    ways = f"frames {sent.frames}, of a gateway {sent.up.total()}, records {written}"
    refused = f"{sum(sent.up_refused.values()) + len(sent.refused)} of the last two are none by the rules"
    everything = "processes, shards of the alarm engine, Spark's queries"
    return [
        _row("parts_ended", len(ended), 0, "; ".join(ended[:5]) or everything),
        _row("neighbours_harmed", len(harmed), 0, f"of {BEDS * len(WARDS)}; due {due:g}, {missed}"),
        _row("false_of_fallen", len(false), None, "messages about who fell, and was well again"),
        _row("falls_not_due", max(0, len(FALLS) - due), 0, f"{len(FALLS)} fell, so that there was something to miss"),
        _row("uncounted", left.total(), 0, _named(left) or "each is taken, or refused where it can be read"),
        _row("counted_twice", again.total(), None, _named(again) or "refusals that stand there more than once"),
        _row("messages", sent.messages(), None, f"{ways}; {refused}"),
        _row("requests", sent.http.total(), None, _named(sent.http)),
        _row("file_rows", sent.rows["sent"], None, _named(sent.rows)),
    ]


def _named(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _row(name: str, value: float, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": f"doors.{name}", "value": value, "unit": "count", "goal": goal, "better": "lower", "note": note}


def _judged(stage: Stage, roster: Path, life: Path) -> Judgement:
    """Keeps what the neighbours' lives were and what was told of them, and judges it."""
    run_files.keep(
        life,
        bootstrap=stage.bootstrap,
        ledger=ledger(stage),
        roster=roster,
        cadence_s=CADENCE_S,
        alone=True,
        sns=sns.endpoint(stage.stack.ports.sns),
    )
    for name, kind in ((topics.ALARMS, AlarmEvent), (topics.NOTIFICATIONS, Notification), (topics.ACTIONS, Action)):
        _leave_out_rubbish(life / f"{name}.jsonl", kind)
    return judged(life, say)


def _leave_out_rubbish(path: Path, kind: type[Any]) -> None:
    def readable(line: bytes) -> bool:
        try:
            decoded(line, kind)
        except BoundError:
            return False
        return True

    path.write_bytes(b"".join(line + b"\n" for line in path.read_bytes().split(b"\n") if readable(line)))


class Look:
    """Reads what became of the inputs: the log from where it was read last, and the parts' counters."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        settings = Kafka(kafka_bootstrap=stage.bootstrap)
        self._reader = KafkaReader(settings, "doors")
        self._reader.assign(dict.fromkeys([(topics.REJECTED, 0), *settings.layout.places(topics.SCORED)], 0))
        self._seen = Seen()

    def __call__(self) -> Seen:
        """Returns what there is by now."""
        seen, counted = self._seen, counters(self._stage)
        # Each lane beats each second, so that it never is silent.
        many = BATCH
        while many >= BATCH:
            records = self._reader.read(1.0)
            many = len(records)
            for record in records:
                self._note(record)
        seen.alarms = counted[f"wardwatch_notify_unreadable_records_total {topics.ALARMS}"]
        seen.put_aside = sum(counted[f"archive_{word}_total {topics.REJECTED}"] for word in ("rows", "rejected"))
        edge = (
            "wardwatch_edge_accepted_readings_total",
            "wardwatch_edge_duplicate_readings_total",
            "wardwatch_edge_rejected_messages_total",
        )
        seen.frames = sum(counted[name] for name in edge) - _acknowledged(ledger(self._stage))
        return seen

    def close(self) -> None:
        """Reads no more."""
        self._reader.close()

    def _note(self, record: Record) -> None:
        if record.topic == topics.REJECTED:
            try:
                self._seen.rejected[decoded(record.value or b"", Rejected).topic] += 1
            except BoundError:
                return  # rubbish itself
            return
        entry, reason = decode(record)
        if isinstance(entry.value, ScoredRecord):
            self._seen.scored.add((entry.value.partition, entry.value.offset))
        elif reason is not None and (found := SOURCE.search(record.value or b"")):
            self._seen.scored.add((int(found[1]), int(found[2])))
            self._seen.unusable.add((record.partition, record.offset))


def counters(stage: Stage) -> Counter[str]:
    """Returns counters of the parts by name and topic, of all gateways together."""
    found: Counter[str] = Counter()
    for name in ("notify", "archive", *(f"edge-{gateway}" for gateway in WARDS)):
        port = stage.specs[name].env["METRICS_PORT"]
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[f"{sample.name} {sample.labels.get('topic', '')}".strip()] += round(sample.value)
    return found


def _acknowledged(path: Path) -> int:
    return sum(line.get("k") == "ack" for line in read_ledger(path))


if __name__ == "__main__":
    for line in rows():
        say(str(line))
