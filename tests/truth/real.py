"""`python -m tests.truth.real FOLDER`: life, messages and acts of a real run, as `judge.py` reads them.

`LIFE=FOLDER make demo DURATION=90` and `LIFE=FOLDER make faults ONLY=path` write FOLDER by
`tests/bench/path/run_files.py`. It gets `life.npz`, `messages.jsonl`, `acts.jsonl`, and `notes.json`, which names what
is not known of them.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tests.truth import ledger as truth
from tests.truth.messages import messages, problem
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState
from vitals.contacts import Notification

REACHED: Final = "known: the bad SNS keeps what is on somebody's phone or in a mailbox"
NOT_REACHED: Final = "not known: SNS told only that it accepted, and `reached` is true throughout"


def told(
    events: Sequence[AlarmEvent], notifications: Sequence[Notification], reached: frozenset[str] | None
) -> list[dict[str, Any]]:
    """Returns every message, with whether it reached a device.

    Args:
        events: Of topic `alarms`.
        notifications: Of topic `notifications`.
        reached: SNS ids of messages that are on a device; None: not known.
    """
    if reached is None:
        return messages(events, notifications)
    there = [n for n in notifications if n.sns in reached]
    gone = [n for n in notifications if n.sns is not None and n.sns not in reached]
    all_ = [*messages(events, there), *({**m, "reached": False} for m in messages(events, gone))]
    return sorted(all_, key=lambda message: message["t"])


def acts(events: Sequence[AlarmEvent], actions: Iterable[Action]) -> list[dict[str, Any]]:
    """Returns what people did; an acknowledgement of an alarm that nobody knows did nothing.

    One of an incident is of every alarm of the incident that went on and had not risen since what the person was shown.
    """
    about: dict[str, tuple[str, str]] = {}
    for event in events:
        name = problem(event)
        if name is not None and event.patient is not None:
            about.setdefault(event.id, (event.patient, name))
    found = []
    for action in sorted(actions, key=lambda action: action.t):
        if action.act is Act.ACKNOWLEDGE and action.alarm in about:
            names = {about[alarm][1] for alarm in (action.alarm, *_others(events, action)) if alarm in about}
            patient = about[action.alarm][0]
            found.append({"t": action.t, "act": "acknowledge", "patient": patient, "problems": sorted(names)})
    return found


def _others(events: Sequence[AlarmEvent], action: Action) -> Iterator[str]:
    """Yields the alarms of the incident that an acknowledgement is of."""
    if not action.incident:
        return
    mine = [e for e in events if e.incident == action.incident and e.log_t <= action.t]
    newest = {event.id: event for event in sorted(mine, key=lambda event: event.n)}
    for event in newest.values():
        if event.state is not AlarmState.INACTIVE and event.raised <= action.shown:
            yield event.id


def of_these(message: dict[str, Any], patients: frozenset[str]) -> bool:
    """Returns whether a message is about somebody whose life is known, or about nobody."""
    named = {message["patient"]} if message["patient"] else set(message.get("patients", ()))
    return not named or bool(named & patients)


def convert(folder: Path) -> dict[str, str | int]:
    """Writes the files; returns the notes.

    Raises:
        OSError: The folder is not what a run kept.
        ValueError: A file of it cannot be read.
    """
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    with (folder / "roster.csv").open(newline="", encoding="utf-8") as file:
        people = truth.people(list(csv.DictReader(file)))
    life = truth.life(truth.read(folder / "ledger.jsonl"), people, run["cadence_s"]) | {"alone": np.bool_(run["alone"])}
    events = _values(folder / "alarms.jsonl", AlarmEvent)
    actions = _values(folder / "actions.jsonl", Action)
    reached = _reached(folder / "reached.jsonl")
    patients = frozenset(person.patient for person in people.values())
    said = [
        m for m in told(events, _values(folder / "notifications.jsonl", Notification), reached) if of_these(m, patients)
    ]
    done = acts(events, actions)
    np.savez_compressed(folder / "life.npz", **life)
    _lines(folder / "messages.jsonl", said)
    _lines(folder / "acts.jsonl", done)
    notes: dict[str, str | int] = {
        "reached": NOT_REACHED if reached is None else REACHED,
        "usable": "not known by sign: a reading that was handed over counts as usable",
        "patients": len(patients),
        "messages": len(said),
        "acts": len(done),
    }
    (folder / "notes.json").write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    return notes


def _values(path: Path, kind: type[Any]) -> list[Any]:
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in path.read_bytes().splitlines() if line]


def _reached(path: Path) -> frozenset[str] | None:
    if not path.exists():
        return None
    lines = (json.loads(line) for line in path.read_bytes().splitlines())
    return frozenset(line["message_id"] for line in lines if line["protocol"] != "sqs")


def _lines(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(convert(Path(sys.argv[1])), indent=1) + "\n")
