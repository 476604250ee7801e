"""An invented ward behind a real page: the app, its server, accounts and audit log are the real ones; the state tier,
the log and the warehouse are in memory, and time stands or goes as a test wants."""

import asyncio
import math
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import argon2
import msgspec
import numpy as np

from cloud.alarm.query.answers import News2Now, PatientNow, SignNow, StandbyNow
from cloud.console.auth.accounts import Accounts, Role, Spans
from cloud.console.auth.audit_log import Audit
from cloud.console.command_writer import CommandWriter
from cloud.console.http.dependencies import AppState
from cloud.console.job import serve
from cloud.console.live.alarm_state import AlarmStateSnapshot, MemoryState
from cloud.console.live.feed import LiveFeed
from cloud.console.live.topic_cache import TopicCache
from cloud.console.settings import Console
from cloud.console.ward_rows import WardRows
from cloud.console.warehouse_history import HistoryDownError
from cloud.kafka.in_memory import MemoryLog, MemoryWriter
from infra.local.ports import Ports
from infra.local.probes import tcp_accepts
from tests.support.waiting import until
from vitals import news2
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority, alarm_id
from vitals.breach_codes import breach
from vitals.contacts import Contact, Rota
from vitals.limits import ADULT
from vitals.runtime.daemon import now_ms
from vitals.signs import FIELDS, INDEX, SIGNS

KEY = "a-key-that-is-only-for-tests-and-pictures"
PASSWORD = "the ward is quiet"  # noqa: S105 - of nobody
FIRST = ("Ada", "Bela", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ilse", "Jun", "Kofi", "Lena", "Nia", "Tove")
LAST = ("Ashdown", "Brandt", "Castell", "Dunmore", "Eklund", "Farrow", "Grieg", "Hollis", "Jarrow", "Lomax", "Norland")
MEANS = {"hr": 76, "pr": 76, "rr": 15, "spo2": 96.5, "temp": 36.9, "sbp": 122, "dbp": 74, "map": 90}
SWING = {"hr": 7, "pr": 7, "rr": 2, "spo2": 1.2, "temp": 0.35, "sbp": 9, "dbp": 5, "map": 6}
HOUR = 3_600_000


def course(number: int, name: str, t: int) -> float:
    """A sign's value of the so manieth patient at a time: slow waves, each patient's own, and a little noise."""
    phase = number * 1.7 + INDEX[name] * 0.9
    hours = t / HOUR
    wave = math.sin(hours * 2.1 + phase) + 0.6 * math.sin(hours * 7.3 + 2 * phase) + 0.25 * math.sin(hours * 47 + phase)
    own = math.sin(phase * 3.1) * SWING[name]
    noise = random.Random(f"{number}{name}{t // 1000}").gauss(0, 0.12)  # noqa: S311 - invented values
    return round(MEANS[name] + own + SWING[name] * (0.5 * wave + noise), SIGNS[INDEX[name]].decimals)


def admission(number: int, ward: str, now: int, **changes: object) -> Admission:
    """The so manieth patient of a ward."""
    chance = random.Random(number)  # noqa: S311 - invented people
    values: dict[str, Any] = {
        "patient": f"p-{number:05d}",
        "version": now - 30 * HOUR,
        "name": f"{chance.choice(FIRST)} {chance.choice(LAST)}",
        "born": f"{1931 + chance.randint(0, 70)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}",
        "phone": "+44 1632 960123",
        "address": "12 Rowan Road, Anytown",
        "ward": ward,
        "bed": f"{ward}-{number:02d}",
        "gateway": f"gw-{ward}",
        "devices": (f"mon-{ward}-{number:02d}",),
        "since": now - 30 * HOUR,
        # Stale after a minute and a half, so that no test is in a hurry.
        "cadence_s": 30.0,
    }
    return Admission(**(values | changes))


def seen(
    person: Admission,
    values: dict[str, float],
    t: int,
    *,
    suspect: dict[str, int] | None = None,
    slopes: dict[str, float] | None = None,
) -> PatientNow:
    """A patient whose newest reading is of time `t`; `slopes` has slopes by sign, unit per minute."""
    limits = person.limits
    found = {}
    for name, value in values.items():
        row = np.full((1, len(SIGNS)), np.nan)
        row[0, INDEX[name]] = value
        digit = int(breach(row, limits.array()[None])[0, INDEX[name]])
        x = limits.limits[INDEX[name]]
        bounds = (x.extreme_low, x.low, x.high, x.extreme_high)
        found[name] = SignNow(value, t, (suspect or {}).get(name, 0), digit, bounds, (slopes or {}).get(name))
    pulse = values.get("pr", values.get("hr"))
    score = news2.score(
        rr=values.get("rr"), spo2=values.get("spo2"), scale2=person.scale2, oxygen=person.oxygen, sbp=values.get("sbp"),
        pulse=pulse, consciousness="A", temp=values.get("temp"),
    )  # fmt: skip
    ages = {part: None if part in score.missing else 3 for part in ("rr", "spo2", "sbp", "pulse", "temp")}
    standing = News2Now(
        score.total, score.risk, score.parts, ages | {"consciousness": 5400}, score.missing, bool(score.missing)
    )
    return PatientNow(person.patient, person.ward, t, found, standing, person.oxygen, "A")


def event(person: Admission, condition: str, start: int, text: str, **changes: object) -> AlarmEvent:
    """A high physiological alarm, unless told otherwise."""
    values: dict[str, Any] = {
        "id": alarm_id(person.patient, condition, start),
        "n": 0,
        "subject": person.patient,
        "condition": condition,
        "kind": Kind.PHYSIOLOGICAL,
        "priority": Priority.HIGH,
        "phase": Phase.START,
        "state": AlarmState.ACTIVE,
        "start": start,
        "t": start,
        "log_t": start,
        "text": text,
        "patient": person.patient,
        "ward": person.ward,
        "bed": person.bed,
    }
    return AlarmEvent(**(values | changes))


class MemoryHistory:
    """`History` out of `course`, with whatever events a test puts in."""

    def __init__(self) -> None:
        self.down: str | None = None
        self.extra: dict[str, list[tuple[int, str, float]]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {"alarms": [], "notifications": [], "actions": [], "limits": []}
        self.newest = 0
        self.kept = WardRows()

    def _check(self) -> None:
        if self.down:
            raise HistoryDownError(self.down)

    def trend(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        self._check()
        number, step = int(patient.split("-")[1]), (end - begin) // 360
        found = []
        for t in range(begin, min(end, self.newest), step):
            point: dict[str, Any] = {"t": t}
            for name in FIELDS:
                value = course(number, name, t)
                for since, sign, shift in self.extra.get(patient, []):
                    if sign == name and t >= since:
                        value += shift * min(1.0, (t - since) / 240_000)
                point[name] = [value, value, value]
            found.append(point)
        return found

    def limits(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        self._check()
        bounds = {f: [x.extreme_low, x.low, x.high, x.extreme_high] for f, x in zip(FIELDS, ADULT.limits, strict=True)}
        former = [row for row in self.rows["limits"] if row["patient"] == patient]
        return former or [{"t": begin, "signs": bounds}]

    def alarms(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        return self._events("alarms", patient)

    def notifications(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        return self._events("notifications", patient)

    def actions(self, patient: str, begin: int, end: int) -> list[dict[str, Any]]:
        return self._events("actions", patient)

    def readings(
        self,
        patient: str,
        begin: int,
        end: int,
        *,
        limit: int,
        offset: int,
        oldest_first: bool = False,
        stored: tuple[int, int] = (0, 2**62),
    ) -> list[dict[str, Any]]:
        self._check()
        number = int(patient.split("-")[1])
        times = list(range(self.newest, self.newest - 3_600_000, -30_000))
        # Each reading is in the log a second after its time.
        within = [t for t in times if begin <= t < end and stored[0] <= t + 1000 < stored[1]]
        chosen = sorted(within, reverse=not oldest_first)[offset : offset + limit]
        return [
            {"device": f"mon-{number}", "boot": 7, "seq": t // 30_000, "t": t, "log_t": t + 1000, "suspect": 0}
            | {name: course(number, name, t) for name in FIELDS}
            for t in chosen
        ]

    def ward(self, patients: Sequence[str], begin: int, end: int, before_ms: int) -> WardRows:
        self._check()
        return self.kept

    def count(
        self,
        patient: str,
        begin: int,
        end: int,
        groups: Sequence[Sequence[str]],
        stored: tuple[int, int] = (0, 2**62),
    ) -> int:
        return len(groups) * len(self.readings(patient, begin, end, limit=10_000, offset=0, stored=stored))

    def _events(self, what: str, patient: str) -> list[dict[str, Any]]:
        self._check()
        return [
            {k: v for k, v in row.items() if k != "patient"} for row in self.rows[what] if row["patient"] == patient
        ]


@dataclass(slots=True)
class Stage:
    """The page and what stands behind it.

    Attributes:
        parts: What the app is made of.
        state: The state tier in memory.
        history: The warehouse in memory.
        log: The log in memory.
        ahead_ms: How far the page's clock is ahead of the wall's.
        port: Where it listens.
    """

    parts: AppState
    state: MemoryState
    history: MemoryHistory
    log: MemoryLog
    port: int
    ahead_ms: int = 0
    alarms: dict[str, AlarmEvent] = field(default_factory=dict)
    patients: dict[str, PatientNow] = field(default_factory=dict)
    standbys: dict[str, StandbyNow] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def now(self) -> int:
        return now_ms() + self.ahead_ms

    def person(self, patient: str) -> Admission:
        return self.parts.topics.admissions[patient]

    def admit(self, *people: Admission) -> None:
        for one in people:
            self.parts.topics.admit(one)

    def read(
        self, patient: str, t: int | None = None, *, slopes: dict[str, float] | None = None, **values: float
    ) -> None:
        """Gives a patient a new reading: the usual values, with changes."""
        t = self.now() if t is None else t
        number = int(patient.split("-")[1])
        usual = {name: course(number, name, t) for name in FIELDS}
        self.patients[patient] = seen(self.person(patient), usual | values, t, slopes=slopes)
        self.show()

    def alarm(self, alarm: AlarmEvent) -> AlarmEvent:
        """Raises, changes or (with phase end) ends an alarm."""
        self.parts.topics.events.append(alarm)
        if alarm.phase is Phase.END:
            self.alarms.pop(alarm.id, None)
        else:
            self.alarms[alarm.id] = alarm
        self.show()
        return alarm

    def change(self, alarm: AlarmEvent, **changes: object) -> AlarmEvent:
        """Tells the next step of an alarm."""
        wanted: dict[str, Any] = {
            "n": alarm.n + 1,
            "phase": Phase.UPDATE,
            "t": self.now(),
            "log_t": self.now(),
        } | changes
        return self.alarm(msgspec.structs.replace(alarm, **wanted))

    def show(self) -> None:
        self.state.sight = AlarmStateSnapshot(
            dict(self.patients), tuple(self.alarms.values()), self.now(), dict(self.standbys)
        )

    def written(self, topic: str) -> list[dict[str, Any]]:
        """What has been written to a topic."""
        return [msgspec.json.decode(record.value) for record in self.log.records(topic) if record.value]

    def obey(self) -> None:
        """Does with new actions what the alarm engine does: acknowledged and paused alarms say so."""
        for action in self.written("actions"):
            wanted = {"acknowledge": Inactivation.ACKNOWLEDGED, "audio-pause": Inactivation.AUDIO_PAUSED}.get(
                action["act"]
            )
            for alarm in list(self.alarms.values()):
                whole = action.get("incident") and action["incident"] == alarm.incident
                meant = alarm.raised <= action["shown"] if whole else alarm.id == action.get("alarm")
                if meant and wanted is not None and alarm.inactivation is Inactivation.NONE:
                    self.change(alarm, inactivation=wanted, by=action["by"])

    def user(self, name: str, roles: dict[str, Role]) -> None:
        """Makes a user with the password of all invented users."""
        accounts = self.parts.accounts
        if accounts.empty():
            accounts.set_password(accounts.create_invite(None, self.now()), "root", PASSWORD, self.now())
        accounts.grant(name, roles)
        accounts.set_password(accounts.create_invite(name, self.now()), name, PASSWORD, self.now())


def build(folder: Path, *, port: int = 0, poll_s: float = 0.1) -> Stage:
    """Puts a stage together; nothing listens yet."""
    port = port or Ports.ephemeral().console
    made = Console(
        kafka_bootstrap="nowhere:1", console_url=f"http://127.0.0.1:{port}", console_data=folder, warehouse="postgresql://nowhere/nothing",
        link_key=KEY, console_poll_s=poll_s,
    )  # fmt: skip
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    spans = Spans(round(made.console_session_h * HOUR), round(made.console_idle_min * 60_000))
    people, state, history = TopicCache(), MemoryState(), MemoryHistory()
    stage: Stage

    def clock() -> int:
        return stage.now()

    log = MemoryLog(clock)
    parts = AppState(
        settings=made, clock=clock, accounts=Accounts(folder / "accounts.sqlite", spans, cheap),
        audit=Audit(folder / "audit.sqlite"), topics=people,
        commands=CommandWriter(people, lambda: MemoryWriter(log), made),
        feed=LiveFeed(state, people, clock), history=history,
    )  # fmt: skip
    stage = Stage(parts, state, history, log, port)
    history.newest = stage.now()
    return stage


@contextmanager
def playing(stage: Stage) -> Iterator[Stage]:
    """Serves a stage until left; the hub looks at the state tier by itself."""
    stop = threading.Event()
    hub = threading.Thread(target=stage.parts.feed.run, args=(stop, stage.parts.settings.console_poll_s), daemon=True)
    server = threading.Thread(target=lambda: asyncio.run(serve(stage.parts, stop)), daemon=True)
    hub.start()
    server.start()
    try:
        until(lambda: tcp_accepts(int(stage.url.rpartition(":")[2])), "the page's server listens")
        yield stage
    finally:
        stop.set()
        hub.join(10)
        server.join(10)


def ward(stage: Stage, name: str, beds: int, first: int = 1) -> list[Admission]:
    """Fills a ward with patients who are well."""
    people = [admission(number, name, stage.now()) for number in range(first, first + beds)]
    stage.admit(*people)
    begin = stage.now() - 4 * HOUR
    nurse = Contact(contact=f"nurse-{name}", name="Bela Holt", start=begin, end=begin + 8 * HOUR, phone="+441632960001")
    second = Contact(
        contact="registrar", name="Imani Frost", start=begin, end=begin + 24 * HOUR, phone="+441632960002",
        email="registrar@example.org", priority=Priority.HIGH, step=1,
    )  # fmt: skip
    stage.parts.topics.enter(Rota(ward=name, version=1, contacts=(nurse, second)))
    for one in people:
        stage.read(one.patient)
    return people
