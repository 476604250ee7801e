"""Writes the data of a run to plain files for the judge: `python -m tests.truth.real FOLDER`.

| file | |
|---|---|
| `run.json` | cadence of the devices, s; whether only one person is on duty in each ward |
| `roster.csv`, `ledger.jsonl` | patients and beds; readings of the devices (`firmware_sim/ground_truth_log.py`) |
| `alarms.jsonl`, `notifications.jsonl`, `actions.jsonl` | the topics' values, in order of their timestamps |
| `reached.jsonl` | messages that reached a phone or mailbox; only the bad SNS records them |
"""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from infra.local.process import PartError
from infra.local.topic_observer import PARTITIONS
from vitals.wire import topics

KEPT: Final = (topics.ALARMS, topics.NOTIFICATIONS, topics.ACTIONS)
WITHIN_S: Final = 30.0
POLL_S: Final = 0.2


def keep(
    folder: Path, *, bootstrap: str, ledger: Path, roster: Path, cadence_s: float, alone: bool, sns: str | None = None
) -> None:
    """Writes the files.

    Args:
        folder: Folder for the files, created if absent.
        bootstrap: Kafka's address.
        ledger: The devices' ground truth log.
        roster: The patients' file.
        cadence_s: Seconds between two readings of a device.
        alone: Whether there is no second person on duty for a handover.
        sns: Address of the bad SNS; None: messages that reached people are unknown.

    Raises:
        PartError: Kafka does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"cadence_s": cadence_s, "alone": alone}) + "\n", encoding="utf-8")
    shutil.copyfile(ledger, folder / "ledger.jsonl")
    shutil.copyfile(roster, folder / "roster.csv")
    for topic in KEPT:
        values = [value for _, value in sorted(_records(bootstrap, topic), key=lambda record: record[0])]
        (folder / f"{topic}.jsonl").write_bytes(b"".join(value + b"\n" for value in values))
    (folder / "reached.jsonl").unlink(missing_ok=True)
    if sns is not None:
        with urllib.request.urlopen(f"{sns}/reached", timeout=WITHIN_S) as answer:  # noqa: S310 - http on loopback
            (folder / "reached.jsonl").write_bytes(answer.read())


def _records(bootstrap: str, topic: str) -> Iterator[tuple[int, bytes]]:
    """Yields timestamp and value of a topic's present records, partition by partition."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "kept",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 0,
    }
    by_lane = {known.name: known.by_lane for known in topics.TOPICS}
    open_ = set(range(PARTITIONS if by_lane[topic] else 1))
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in open_])
        heard = time.monotonic()
        while open_:
            messages = consumer.consume(1000, timeout=POLL_S)
            heard = time.monotonic() if messages else heard
            if time.monotonic() - heard > WITHIN_S:
                raise PartError(f"Kafka at {bootstrap} gave nothing of topic {topic} within {WITHIN_S:.0f} s")
            for message in messages:
                failed, value = message.error(), message.value()
                if failed is not None and failed.code() == KafkaError._PARTITION_EOF:
                    open_.discard(message.partition())
                elif failed is None and value is not None:
                    yield message.timestamp()[1], value
    finally:
        consumer.close()
