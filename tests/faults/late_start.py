"""One first start of the path on which a tier comes behind the rest, and whether people were told all the same.

Everything is as on the day of an installation: an empty Kafka, nobody's snapshots, no message ever sent. Patients fall
ill one after another from the moment when the rest begins, and stay so, while the late tier is still away and after it
has come. Whoever is ill when the last tier is ready, or falls ill soon after it, must be on a nurse's phone within the
goal.
"""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from csv import DictReader
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.demo.supervisor import Supervisor
from infra.local.ports import HOST, Ports
from infra.local.process import Spec, base_env
from infra.local.servers.sns import part as sns
from infra.local.servers.sns.server import Options
from infra.local.services import command, make_topics, tiers
from infra.local.stack import DEVICE_BROKERS, KAFKA, MOTO, SITE_BROKER, LocalStack
from infra.local.topic_observer import PARTITIONS, Beats, Observer
from tests.bench.path import breach_scenario
from tests.support.waiting import until, within
from vitals import alarm_events
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Notification
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

LATE: Final = ("score", "watch", "bridge", "notify")
TOPICS: Final = "topics"
"""Not a process: who made the topics was late, and every tier was there before them."""
GATEWAY, WARD = "gw-w0", "w0"
BEDS: Final = 40
FALL_EVERY_S: Final = 15.0
"""Between two patients who fall ill: there is always one whose alarm has just begun."""
FOLLOWED_S: Final = 20.0
"""Whoever falls ill so soon after the last tier was ready is looked for, too."""
READY_S: Final = 480.0
LOST_S: Final = 60.0
"""Beyond the goal: then nobody is waited for any more."""
PAGED: Final = frozenset(("sms", "email"))
STALLED: Final = "pipeline-stalled"
SIGNS: Final = frozenset(("hr", "pr", "news2", "news2-risk"))
"""What a heart that beats 28 times a minute can be told as."""
_notification: Final = msgspec.json.Decoder(Notification)


@dataclass(slots=True)
class Seen:
    """What topics showed.

    Attributes:
        notifications: Every record of a message.
        stalled: Steps of the watchdog's alarm.
        events: How many events each alarm has.
        alarmed: When each patient's first alarm was in the log, UTC epoch ms.
        beats: Which partitions scoring scores.
    """

    notifications: list[Notification] = field(default_factory=list)
    stalled: list[AlarmEvent] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    alarmed: dict[str, int] = field(default_factory=dict)
    beats: Beats = field(default_factory=Beats)

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Looks at one record."""
        self.beats.take(topic, partition, value, stamped)
        if topic == topics.NOTIFICATIONS:
            told = _notification.decode(value)
            if told.first:
                self.notifications.append(told)
        elif topic == topics.ALARMS:
            event = alarm_events.decode(value)
            self.events[event.id] = self.events.get(event.id, 0) + 1
            if event.patient is not None and event.condition in SIGNS:
                self.alarmed.setdefault(event.patient, stamped)
            if event.condition == STALLED:
                self.stalled.append(event)


@dataclass(frozen=True, slots=True)
class Start:
    """What came of one start.

    Attributes:
        paged_s: Of each patient who was to be told of, from the later of fall and readiness to the nurse's phone.
        alarmed_s: The same, to the alarm in the log: the rest is the notifier's, its limit of messages included.
        unpaged: Patients of whom nobody was told in time and beyond.
        messages: Messages on phones and in mailboxes.
        twice: Messages that were there twice.
        stalled: Phases of the watchdog's alarm, in order.
        most_events: Events of the alarm that has most of them.
        load: Load average of the machine at the end: on a busy one, times are the machine's.
        late: Tier that came late.
        gap_s: By how much.
        ready_s: From the late tier's start until the last tier was ready: all serve, and Spark scores every partition.
        died: How often a process found what it needs not there yet, and was started again.
    """

    paged_s: dict[str, float]
    alarmed_s: dict[str, float]
    unpaged: tuple[str, ...]
    messages: int
    twice: int
    stalled: tuple[str, ...]
    most_events: int
    load: float
    late: str = ""
    gap_s: float = 0.0
    ready_s: float = 0.0
    died: int = 0

    @property
    def worst_s(self) -> float:
        """Returns how long the slowest page took; beyond all measure when one never came."""
        return 1e9 if self.unpaged else max(self.paged_s.values(), default=1e9)


def falls(began: int, patients: list[str]) -> dict[str, int]:
    """Returns when each patient falls ill, UTC epoch ms, when the first does at `began`."""
    return {patient: began + round(place * FALL_EVERY_S * 1000) for place, patient in enumerate(patients)}


def due(fall: dict[str, int], ready: int) -> dict[str, int]:
    """Returns of whom somebody is to be told, with the moment from which the goal runs, UTC epoch ms."""
    return {patient: max(t, ready) for patient, t in fall.items() if t <= ready + FOLLOWED_S * 1000}


def paged(notifications: list[Notification], reached: dict[str, int]) -> dict[str, int]:
    """Returns when each patient was first on somebody's phone or in a mailbox, UTC epoch ms.

    Args:
        notifications: Records.
        reached: When each message reached a device, by its id.
    """
    found: dict[str, int] = {}
    for one in notifications:
        condition = one.alarm.rpartition(".")[0].rpartition(".")[2]
        t = reached.get(one.sns or "")
        # Told of a device or a gateway, nobody has heard of a patient who is ill.
        if t is not None and condition in SIGNS:
            found[one.patient] = min(t, found.get(one.patient, t))
    return found


def play(late: str, gap_s: float, goal_s: float, say: Callable[[str], None], kept: Path | None = None) -> Start:
    """Starts everything, one tier behind the rest.

    Args:
        late: That tier, one of `LATE`, or `TOPICS`.
        gap_s: How far behind.
        goal_s: Within which people are to be told.
        say: Progress.
        kept: Folder for every process's log; None keeps none.

    Raises:
        PartError: A part did not come up at all.
    """
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="wardwatch-starts-")))
        stack = parts.enter_context(
            LocalStack(
                folder / "stack",
                ports=Ports.ephemeral(1),
                gateways=(GATEWAY,),
                parts=(DEVICE_BROKERS, SITE_BROKER, KAFKA, MOTO),
                sns=Options(answer_ms=30.0, confirmed=True, emails_per_s=0),
            )
        )
        if kept is not None:
            parts.callback(shutil.copytree, stack.processes.logs, kept, dirs_exist_ok=True)
        return _Play(stack, folder, say).run(late, gap_s, goal_s)


@dataclass(slots=True)
class _Play:
    stack: LocalStack
    folder: Path
    say: Callable[[str], None]
    patients: list[str] = field(default_factory=list)
    seen: Observer[Seen] = field(init=False)

    def run(self, late: str, gap_s: float, goal_s: float) -> Start:
        chosen = {t.name: t.spec(self.stack) for t in tiers(self.stack) if t.name in {*LATE, f"edge-{GATEWAY}"}}
        late_ones = {name: spec for name, spec in chosen.items() if name == late}
        rest = {name: spec for name, spec in chosen.items() if name != late}
        if late != TOPICS:
            self._prepare()
        with ExitStack() as parts:
            begun = time.monotonic()
            parts.enter_context(Supervisor(self.stack.processes, list(rest.values()), {}, self.say))
            if late != TOPICS:
                began = self._devices()
            with _held(late_ones.values()):
                threading.Event().wait(max(0.0, begun + gap_s - time.monotonic()))
            if late == TOPICS:
                self._prepare()
                began = self._devices()
            self.seen = parts.enter_context(Observer(self.stack.env()["KAFKA_BOOTSTRAP"], PARTITIONS, Seen()))
            self.say(f"{late} comes now")
            came = time.monotonic()
            parts.enter_context(Supervisor(self.stack.processes, list(late_ones.values()), {}, self.say))
            until(lambda: all(spec.ready() for spec in chosen.values()), "all tiers to serve", READY_S, 0.25)
            self.say(f"all serve after {time.monotonic() - came:.1f} s")
            # Spark listens before it has made the plan of its first batch, and until then it scores nothing.
            until(lambda: self.seen.asked(lambda seen: seen.beats.fresh()), "Spark to score", READY_S, 0.25)
            ready, ready_s = now_ms(), time.monotonic() - came
            self.say(f"all ready after {ready_s:.1f} s")
            wanted = due(falls(began, self.patients), ready)
            ends = ready + round((FOLLOWED_S + goal_s + LOST_S) * 1000)
            while now_ms() < ends and not wanted.keys() <= self._paged().keys():
                threading.Event().wait(0.5)
            found = self._paged()
            if not within(goal_s, self._calm, 0.25):
                self.say(f"waited {goal_s:.0f} s in vain for pipeline-stalled to end")
            logs = {name: (self.stack.processes.logs / f"{name}.log").read_text(errors="replace") for name in chosen}
            judged = self._judged(wanted, found)
            died = sum(map(_ends, logs.values()))
            return replace(judged, late=late, gap_s=gap_s, ready_s=round(ready_s, 1), died=died)

    def _prepare(self) -> None:
        make_topics(self.stack)
        roster = breach_scenario.people(self.stack, self.folder / "everybody", {WARD: BEDS}, 1.0, 1)
        command(self.stack, "cloud", "admit", str(roster))
        with roster.open(newline="", encoding="utf-8") as file:
            self.patients = [row["patient"] for row in DictReader(file)]

    def _devices(self) -> int:
        """Starts the monitors; returns when the first patient falls ill, UTC epoch ms."""
        path = self.folder / "plan.json"
        frames = [
            {"at_s": 0, "phase": "stable"},
            {"at_s": 1, "phase": "onset", "bradycardia": breach_scenario.BRADYCARDIA},
        ]
        devices = [
            {
                "device": f"mon-{WARD}-{place:02d}",
                "broker": self.stack.device_broker_url(GATEWAY),
                "story": breach_scenario.STORY,
                "start_s": (place - 1) * FALL_EVERY_S,
            }
            for place in range(1, BEDS + 1)
        ]
        plan: dict[str, Any] = {
            "devices": devices,
            "seed": 1,
            "cadence_s": 1.0,
            "simulator": "2026-11",
            "artefacts": {"scale": 0},
        }
        path.write_text(json.dumps(plan | {"stories": [{"name": breach_scenario.STORY, "frames": frames}]}))
        words = ("--plan", str(path), "--ledger", str(self.folder / "ledger.jsonl"))
        argv = (sys.executable, "-m", "firmware_sim", *words)
        self.stack.processes.start(Spec("devices", argv, env=base_env(), stop_timeout_s=30.0))
        return now_ms()

    def _reached(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{sns.endpoint(self.stack.ports.sns)}/reached", timeout=30) as answer:  # noqa: S310 - http on loopback
            return [one for line in answer if (one := json.loads(line))["protocol"] in PAGED]

    def _paged(self) -> dict[str, int]:
        reached: dict[str, int] = {}
        for one in self._reached():
            reached[one["message_id"]] = min(one["t"], reached.get(one["message_id"], one["t"]))
        return paged(self.seen.asked(lambda seen: list(seen.notifications)), reached)

    def _calm(self) -> bool:
        return self.seen.asked(lambda seen: not seen.stalled or seen.stalled[-1].phase is alarm_events.Phase.END)

    def _judged(self, wanted: dict[str, int], found: dict[str, int]) -> Start:
        sent, stalled, events, alarmed = self.seen.asked(
            lambda seen: (list(seen.notifications), list(seen.stalled), dict(seen.events), dict(seen.alarmed))
        )
        keys = [(one.alarm, one.n, one.contact, one.handover) for one in sent if one.sns]
        return Start(
            paged_s=_since(wanted, found),
            alarmed_s=_since(wanted, alarmed),
            unpaged=tuple(sorted(wanted.keys() - found.keys())),
            messages=len(self._reached()),
            twice=len(keys) - len(set(keys)),
            stalled=tuple(event.phase.value for event in stalled),
            most_events=max(events.values(), default=0),
            load=round(os.getloadavg()[0], 1),
        )


@contextmanager
def _held(specs: Iterable[Spec]) -> Iterator[None]:
    """Keeps the ports of what comes later from other stacks on this machine, which would find them free."""
    with ExitStack() as parts:
        for port in {
            int(spec.env[name]) for spec in specs for name in ("METRICS_PORT", "RAY_PORT") if name in spec.env
        }:
            listener = parts.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            # A port that is bound and not listened on counts as free to whoever may reuse addresses.
            listener.listen()
        yield


def _since(wanted: Mapping[str, int], came: Mapping[str, int]) -> dict[str, float]:
    return {p: round(max(came[p] - t, 0) / 1000, 1) for p, t in wanted.items() if p in came}


def _ends(log: str) -> int:
    """Counts the ends of a process by its last log line."""
    return log.count('"cannot start') + log.count('"notifier stopped: ')
