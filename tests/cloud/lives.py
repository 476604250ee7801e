"""Random lives of a small ward on an in-memory log, lived calmly and with crashes, and what differs between them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np

from cloud.alarm.partition_engine import SPAN_MS
from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot.store import FolderSnapshots
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Place
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority, alarm_id, decode, encode
from vitals.engine.rules.technical_alarms import PIPELINE, PIPELINE_STALLED
from vitals.readings import Readings, text
from vitals.status import DeviceStatus, Health, Status
from vitals.wire import topics

T0 = 1_763_812_800_000
LAYOUT = Partitioning(lanes=4, partitions=1)
PATIENTS = ("p-1", "p-2", "p-3")
CONSOLE_OFF_MS = 20_000
LEVELS = {"hr": (72, 72, 125, 145, 35), "rr": (16, 16, 26, 7), "spo2": (97, 97, 91, 88, 84, 78)}
WELL = {"hr": 72.0, "rr": 16.0, "spo2": 97.0}
SECONDS, TAIL = 480, 260
Input = tuple[Place, bytes, bytes | None, int]


@dataclass(frozen=True)
class Terms:
    """How a life goes.

    Attributes:
        console_ms: How far the console's clock may be off, each way.
        jitter_ms: How far a record's time may be from the whole second.
    """

    console_ms: int = 0
    jitter_ms: int = 0


class CrashError(Exception):
    """The process died here."""


class Dying(MemoryWriter):
    """A writer whose process dies after so many writes."""

    def __init__(self, log: MemoryLog, left: int) -> None:
        super().__init__(log)
        self.left = left

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        if not self.left:
            raise CrashError
        self.left -= 1
        super().write(place, key, value)


@dataclass
class Ward:
    """What happens, second by second; `inputs` is all that was written to the log, in its order."""

    random: Random
    terms: Terms
    admission: Callable[..., Admission]
    scored: Callable[..., bytes]
    seconds: list[list[Input]] = field(default_factory=list)
    offset: int = 0
    now: int = T0
    signs: dict[str, dict[str, float]] = field(default_factory=lambda: {p: dict(WELL) for p in PATIENTS})
    until: dict[Any, int] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    down: int = 0
    stall: AlarmEvent | None = None

    def second(self, k: int, active: list[AlarmEvent]) -> list[Input]:
        """Makes one second of the ward, given what is active in it."""
        self.now = T0 + 1000 * k + self.random.randint(0, self.terms.jitter_ms)
        calm = k >= SECONDS
        found: list[Input] = []
        if k == 0:
            found += [self._admitted(p) for p in PATIENTS]
        found += self._people(active, calm=calm)
        found += self._equipment(k, calm=calm)
        if not calm:
            found += self._beds(k)
        found.append(self._readings(k, calm=calm))
        # Of records of one moment a log of several topics has no order.
        found = [(place, key, value, t + i) for i, (place, key, value, t) in enumerate(found)]
        self.seconds.append(found)
        return found

    def _write(self, topic: str, subject: str, value: object, t: int | None = None) -> Input:
        return (topic, 0), subject.encode(), msgspec.json.encode(value), self.now if t is None else t

    def _admitted(self, patient: str, **changes: object) -> Input:
        bed = f"icu-{patient[-1]}"
        return self._write(
            topics.PATIENTS, patient, self.admission(patient, bed, version=self.now, since=self.now, **changes)
        )

    def _people(self, active: list[AlarmEvent], *, calm: bool) -> list[Input]:
        found = []
        for alarm in active:
            chance = self.random.random()
            mine = alarm.patient or alarm.subject
            if alarm.condition == PIPELINE_STALLED or chance > (0.3 if calm else 0.03):
                continue
            act = Act.AUDIO_PAUSE if chance < 0.01 and not calm else Act.ACKNOWLEDGE
            t = self.now + self.random.randint(-self.terms.console_ms, self.terms.console_ms)
            value = Action(id="a", act=act, patient=mine, t=t, by="nurse", alarm=alarm.id, pause_s=60)
            found.append(self._write(topics.ACTIONS, mine, value, t))
        return found

    def _beds(self, k: int) -> list[Input]:
        found = []
        for patient, back in list(self.away.items()):
            if k >= back:
                del self.away[patient]
                found.append(self._admitted(patient))
        patient = self.random.choice(PATIENTS)
        chance = self.random.random()
        if patient not in self.away and chance < 0.004:
            self.away[patient] = k + self.random.randint(5, 60)
            found.append(self._admitted(patient, discharged=self.now))
        elif patient not in self.away and chance < 0.008:
            found.append(self._admitted(patient, cadence_s=self.random.choice((1.0, 5.0))))
        return found

    def _equipment(self, k: int, *, calm: bool) -> list[Input]:
        found = []
        for patient in PATIENTS:
            if self.silent.get(patient, 0) <= k and self.random.random() < 0.004:
                self.silent[patient] = k + self.random.randint(5, 60)
        if self.down <= k and self.random.random() < 0.004:
            self.down = k + self.random.randint(5, 60)
        if k % 5 == 0 or k == SECONDS:
            devices = tuple(
                DeviceStatus(
                    device=f"mon-icu-{p[-1]}",
                    health=Health.SILENT if self.silent.get(p, 0) > k and not calm else Health.UP,
                    t=self.now,
                    patient=p,
                )
                for p in PATIENTS
            )
            health = Health.OFFLINE if self.down > k and not calm else Health.UP
            value = Status(id="gw-icu", kind="gateway", health=health, t=self.now, devices=devices)
            found.append(self._write(topics.STATUS, "gw-icu", value))
        if (self.stall is None and not calm and self.random.random() < 0.004) or (
            self.stall is not None and (calm or self.random.random() < 0.05)
        ):
            found.append(self._stalled())
        return found

    def _stalled(self) -> Input:
        if self.stall is None:
            event = AlarmEvent(
                id=alarm_id(PIPELINE, PIPELINE_STALLED, self.now), n=0, subject=PIPELINE, condition=PIPELINE_STALLED,
                kind=Kind.TECHNICAL, priority=Priority.HIGH, phase=Phase.START, state=AlarmState.ACTIVE, start=self.now,
                t=self.now, log_t=self.now, text="",
            )  # fmt: skip
            self.stall = event
        else:
            event = msgspec.structs.replace(self.stall, n=1, phase=Phase.END, state=AlarmState.INACTIVE)
            self.stall = None
        return (topics.ALARMS, 0), PIPELINE.encode(), encode(event), self.now

    def _readings(self, k: int, *, calm: bool) -> Input:
        rows = []
        for patient in PATIENTS:
            signs = self.signs[patient]
            for name, levels in LEVELS.items():
                if k >= self.until.get((patient, name), 0):
                    self.until[patient, name] = k + self.random.choice((3, 12, 20, 70, 100))
                    signs[name] = self.random.choice(levels) + self.random.choice((0, 0, -1, 1))
            if self.late.get(patient, 0) <= k and self.random.random() < 0.001:
                self.late[patient] = k + 200
            at = WELL if calm else signs
            t = self.now - (200_000 if self.late.get(patient, 0) > k and not calm else 0)
            if patient not in self.away or calm:
                rows.append(_reading(patient, t, at))
        self.offset += 1
        return (topics.SCORED, 0), b"", self.scored(0, self.offset, *rows), self.now


def _reading(patient: str, t: int, signs: dict[str, float]) -> Readings:
    def one(value: int) -> Any:  # noqa: ANN401 - an array
        return np.array([value], dtype=np.int64)

    values = np.array([[signs["hr"], signs["hr"], signs["rr"], signs["spo2"], 36.8, 118, 76, 90]], dtype=np.float64)
    bed = f"icu-{patient[-1]}"
    return Readings(
        text([patient]), text([f"mon-{bed}"]), text(["gw-icu"]), text(["icu"]), text([bed]),
        one(7), one(t), one(t), one(t), one(1), one(0), one(0), values,
    )  # fmt: skip


def _shard(log: MemoryLog, writer: MemoryWriter, folder: Path) -> ShardRunner:
    shard = Shard(LAYOUT, share(LAYOUT, 0, 1), equipment=True)
    return ShardRunner(shard, MemoryReader(log), writer, FolderSnapshots(folder))


def told(log: MemoryLog) -> list[AlarmEvent]:
    """Returns what the shard has told, without the watchdog's own."""
    events = [decode(r.value or b"") for r in log.records(topics.ALARMS)]
    return [e for e in events if e.condition != PIPELINE_STALLED]


def calm_life(ward: Ward, folder: Path) -> list[AlarmEvent]:
    """Lives it without a crash, record by record, and returns what was told; `ward.seconds` is what happened."""
    log = MemoryLog(lambda: ward.now)
    loop = _shard(log, MemoryWriter(log), folder)
    loop.start()
    for k in range(SECONDS + TAIL):
        for place, key, value, t in ward.second(k, loop.shard.active()):
            log.append(place, key, value, t)
            loop.step(0)
    return told(log)


def stormy_life(ward: Ward, folder: Path, random: Random, *, keeps: float) -> tuple[list[AlarmEvent], int]:
    """Lives the same with crashes, downtimes and snapshots of which a share is kept; returns what was told, crashes."""
    now = [T0]
    log = MemoryLog(lambda: now[0])
    writer = Dying(log, -1)
    loop: ShardRunner | None = None
    crashes, up = 0, 0
    for k, second in enumerate(ward.seconds):
        if random.random() < 0.012 and k < SECONDS:
            writer.left = random.randint(0, 3)
        for place, key, value, t in second:
            now[0] = max(now[0], T0 + 1000 * k)
            log.append(place, key, value, t)
            if loop is None and k < up:
                continue
            try:
                if loop is None:
                    writer = Dying(log, -1 if random.random() < 0.7 or k >= SECONDS else random.randint(0, 5))
                    loop = _shard(log, writer, folder)
                    loop.start()
                loop.step(0)
            except CrashError:
                crashes += 1
                loop, up = None, k + random.choice((0, 0, 3, 20, 60))
        if loop is not None and k % 30 == 29 and writer.left < 0:
            loop.save()
        if random.random() > keeps and k % 30 == 29:
            for path in folder.glob("*.snapshot"):
                path.unlink()
    return told(log), crashes


def _place(event: AlarmEvent) -> tuple[str, str]:
    return event.patient or event.subject, event.condition


def _as_calm(calm: list[AlarmEvent], stormy: list[AlarmEvent]) -> list[AlarmEvent]:
    """Gives alarms that began only after a crash, some seconds apart for being judged in larger batches, one id.

    Nobody was told of the other id; what was told of must keep its own.
    """
    began = {e.id: e for e in calm if e.phase is Phase.START}
    again = {e.id: e for e in stormy if e.phase is Phase.START}
    names: dict[str, str] = {}
    for alarm in again.keys() - began.keys():
        mine = again[alarm]
        near = [
            e.id
            for e in began.values()
            if e.id not in again and _place(e) == _place(mine) and abs(e.start - mine.start) <= _apart(mine)
        ]
        if near:
            names[alarm] = near[0]
    return [msgspec.structs.replace(e, id=names.get(e.id, e.id)) for e in stormy]


def _apart(alarm: AlarmEvent) -> int:
    """How far apart, ms, one alarm may begin; a patient is waited for from an admission, by a console's clock, on."""
    return (CONSOLE_OFF_MS if alarm.condition == "not-judged" else 1000) + SPAN_MS


def _brief(alarm: AlarmEvent, calm: list[AlarmEvent]) -> bool:
    """Whether it is of readings that were late for hardly longer than it takes, and in larger batches not so long."""
    own = [e.log_t for e in calm if e.id == alarm.id]
    # One call of the engine, and one look at who is judged.
    return alarm.condition == "not-judged" and max(own) - min(own) <= 2 * SPAN_MS


def differences(calm: list[AlarmEvent], stormy: list[AlarmEvent]) -> Counter[str]:
    """Counts what a crash must not do."""
    found: Counter[str] = Counter()
    counts = Counter((e.id, e.n) for e in stormy)
    found["told twice"] = sum(n - 1 for n in counts.values())
    over: set[str] = set()
    for event in stormy:
        # A technical alarm that another one inhibited continues under its id.
        if event.kind is Kind.TECHNICAL and event.state is AlarmState.ACTIVE and event.phase is not Phase.START:
            over.discard(event.id)
        found["after its end"] += event.id in over
        if event.state is AlarmState.INACTIVE:
            over.add(event.id)
    ended = {e.id for e in {e.id: e for e in calm}.values() if e.state is AlarmState.INACTIVE}
    open_ = {_place(e) for e in calm if e.id not in ended}
    # A latched alarm waits for its nurse, who by the calm life's log answers the ids of that life.
    left = [e for e in {e.id: e for e in stormy if e.id not in over}.values() if _place(e) not in open_]
    found["never ended"] = sum(e.state is AlarmState.ACTIVE or e.id in ended for e in left)
    alike = _as_calm(calm, stormy)
    begun, should = ({e.id for e in events if e.phase is Phase.START} for events in (alike, calm))
    should -= {e.id for e in calm if e.id not in begun and _brief(e, calm)}
    found["ended, never begun"] = len({e.id for e in alike} - begun)
    found["start missing"], found["start of another id"] = len(should - begun), len(begun - should)
    found["escalation missing"] = _fewer(calm, alike, lambda e: e.phase is Phase.ESCALATE)
    found["handover missing"] = _fewer(calm, alike, lambda e: e.phase is Phase.CONTINUE)
    found["handover more"] = _fewer(alike, calm, lambda e: e.phase is Phase.CONTINUE)
    return +found


def _fewer(many: list[AlarmEvent], few: list[AlarmEvent], which: Callable[[AlarmEvent], bool]) -> int:
    a, b = (Counter(e.id for e in events if which(e)) for events in (many, few))
    return sum((a - b).values())
