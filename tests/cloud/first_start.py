"""A first start of the path on an in-memory log with a moved clock: its tiers come in any order, any time apart.

Gateway, bridge and Spark carry readings and decide on no alarm, so they are told here by what they write: the gateway
keeps readings until a bridge takes them, the bridge gives each lane a record a second, and scoring begins with the
oldest record that there is. The alarm tier, its watchdog and the notifier are the product's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot.store import FolderSnapshots
from cloud.alarm.watchdog.alarm_writer import WatchdogWriter
from cloud.alarm.watchdog.stall import StallWatch
from cloud.kafka.in_memory import MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.notify.notifier import Notifier
from tests.cloud.conftest import make_admission, make_contact, make_reading, scored_value
from tests.cloud.station import START, Station
from tests.truth.play import Inline
from vitals.alarm_events import AlarmEvent, decode
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.readings import Readings, concat
from vitals.status import DeviceStatus, Health, Status
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals, encode_vitals

BRIDGE, SCORE, WATCH, NOTIFY = TIERS = ("bridge", "score", "watch", "notify")
LAYOUT: Final = Partitioning(lanes=2, partitions=2)
NURSE, CONSULTANT, TECHNICIAN = "nurse", "consultant", "technician"
ILL_BEFORE, ILL_AFTER, WELL = "p-1", "p-2", "p-3"
EVERY_S: Final = 1
STATUS_S: Final = 5
BATCH: Final = 500
STALL_S, GRACE_S = 10, 60
WELL_SPO2, LOW_SPO2 = 97.0, 78.0
"""78 is extreme for an adult: nobody disputes that a nurse is to be called."""


@dataclass
class FirstStart:
    """The path, second by second.

    Attributes:
        folder: For snapshots.
        comes: When each tier comes, s.
        falls: When each patient falls ill, s; others stay well.
        faults: What the gateway alarms of itself, by id.
        second: Seconds since the gateway began.
    """

    folder: Path
    comes: Mapping[str, int]
    falls: Mapping[str, int]
    faults: tuple[str, ...] = ()
    second: int = 0
    station: Station = field(init=False)
    _outbox: list[Readings] = field(default_factory=list)
    _loop: ShardRunner | None = None
    _notifier: Notifier | None = None

    def __post_init__(self) -> None:
        self.station = Station(LAYOUT, Inline())  # type: ignore[arg-type] # it wants a pool of threads, and uses `submit` alone
        for place, patient in enumerate((ILL_BEFORE, ILL_AFTER, WELL), 1):
            admission = make_admission(patient, f"icu-0{place}", START - 1000)
            at = (topics.PATIENTS, LAYOUT.partition(patient))
            self.station.log.append(at, patient.encode(), msgspec.json.encode(admission))
        self.station.duty(make_contact(NURSE), make_contact(CONSULTANT, step=1))
        self.station.duty(make_contact(TECHNICIAN), ward="technical")
        self._stall = StallWatch(STALL_S * 1000, GRACE_S * 1000)
        self._word = WatchdogWriter((topics.ALARMS, LAYOUT.partition(PIPELINE)), lambda: MemoryWriter(self.station.log))
        self._vitals = MemoryReader(self.station.log)
        self._vitals.assign(dict.fromkeys(LAYOUT.places(topics.VITALS), 0))

    def run(self, until_s: int) -> None:
        """Lives up to a second."""
        while self.second < until_s:
            self.second += EVERY_S
            self.station.now = START + 1000 * self.second
            self._measure()
            for tier, work in (
                (BRIDGE, self._bridge),
                (SCORE, self._score),
                (WATCH, self._watch),
                (NOTIFY, self._notify),
            ):
                if self.second >= self.comes[tier]:
                    work()

    def alarms(self) -> list[AlarmEvent]:
        """Returns every alarm event so far."""
        return [decode(record.value or b"") for record in self.station.log.records(topics.ALARMS)]

    def paged(self, subject: str) -> int | None:
        """Returns in which second the nurse was first told of a patient or a gateway; None: never."""
        told = [n.accepted for n in self.station.notifications() if n.patient == subject and n.contact == NURSE]
        return self.at(min(told)) if told else None

    @staticmethod
    def at(t: int) -> int:
        """Returns the second of a time, UTC epoch ms."""
        return (t - START) // 1000

    def _measure(self) -> None:
        for place, patient in enumerate((ILL_BEFORE, ILL_AFTER, WELL), 1):
            low = self.second >= self.falls.get(patient, self.second + 1)
            made = make_reading(
                patient, self.station.now, LOW_SPO2 if low else WELL_SPO2, bed=f"icu-0{place}", seq=self.second
            )
            self._outbox.append(made)

    def _bridge(self) -> None:
        waiting, self._outbox = self._outbox, []
        for partition in range(LAYOUT.partitions):
            own = [one for one in waiting if LAYOUT.partition(one.patient[0]) == partition]
            for first in range(0, max(len(own), 1), BATCH):
                value = encode_vitals(concat(own[first : first + BATCH]))
                self.station.log.append((topics.VITALS, partition), b"", value)
        if self.second % STATUS_S == 0:
            up = {"health": Health.UP, "t": self.station.now}
            devices = tuple(
                DeviceStatus(device=f"mon-icu-0{place}", patient=patient, **up)
                for place, patient in enumerate((ILL_BEFORE, ILL_AFTER, WELL), 1)
            )
            for status in (
                Status(id="bridge", kind="bridge", **up),
                Status(id="gw-icu", kind="gateway", devices=devices, alarms=self.faults, **up),
            ):
                self.station.log.append((topics.STATUS, 0), status.id.encode(), msgspec.json.encode(status))

    def _score(self) -> None:
        for record in self._vitals.read(0):
            value = scored_value(record.partition, record.offset, decode_vitals(record.value or b""))
            stamped = msgspec.json.decode(value) | {"timestamp": record.t}
            self.station.log.append((topics.SCORED, record.partition), b"", msgspec.json.encode(stamped))

    def _watch(self) -> None:
        if self._loop is None:
            state = Shard(LAYOUT, share(LAYOUT, 0, 1), equipment=True)
            log = self.station.log
            self._loop = ShardRunner(state, MemoryReader(log), MemoryWriter(log), FolderSnapshots(self.folder))
            self._loop.start()
        self._loop.step(0)
        self._word.tell(self._stall.judge(self._loop.shard.clocks(), LAYOUT.partitions, self.station.now))

    def _notify(self) -> None:
        if self._notifier is None:
            self._notifier = self.station.start()
        # The first step hands messages over, the second records their acceptance.
        self._notifier.step(0)
        self._notifier.step(0)
