from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bridge.kafka.port import ConsumedRecord, MemoryLog
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message, Receipt
from bridge.settings import Settings
from bridge.up.pipeline import UpPipeline
from tests.bridge.test_downward import downward
from vitals.actions import Act, Action
from vitals.status import ClockOffset, Health, Rejected, Status
from vitals.wire import topics
from vitals.wire.uplink_batch import BatchAck
from vitals.wire.vitals_record import decode_vitals

MakeBatch = Callable[..., bytes]
T = 1_763_812_800_000


@dataclass
class FakeBroker:
    """A broker that remembers what the bridge told it."""

    connection: int = 1
    acked: list[int] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)

    def ack(self, receipts: Sequence[Receipt]) -> None:
        self.acked += [receipt.mid for receipt in receipts if receipt.connection == self.connection]

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        del qos, retain
        self.published.append((topic, payload))
        return True

    def confirmed(self, gateway: str) -> set[int]:
        told = [p for t, p in self.published if t == topics.gateway_topic(gateway, "confirmed")]
        return {n for p in told for a, b in msgspec.json.decode(p, type=BatchAck).ranges for n in range(a, b + 1)}


class Rig:
    """A bridge's way up on a log in memory, with a hand on the clock."""

    def __init__(self, capacity: int = 10_000, **settings: object) -> None:
        self.ahead_ms = 0
        partitions = {"vitals": 16, "vitals.rejected": 1, "status": 1, "actions": 16}
        self.log = MemoryLog(partitions, capacity, clock=lambda: T + int(self.at * 1000))
        self.broker = FakeBroker()
        self.meters = Metrics(CollectorRegistry())
        of = {"p1": "gw-1", "p2": "gw-2"}.get
        self.up = UpPipeline(
            Settings(bridge="b1", **settings), self.log, self.broker, self.meters, lambda a: of(a.patient)
        )  # type: ignore[arg-type] # mypy sees object, Settings checks
        self.at = 100.0
        self.mid = 0
        self.up.connected(True)

    def arrive(self, gateway: str, payload: bytes, name: str = "vitals", *, topic: str | None = None) -> None:
        self.mid += 1
        receipt = Receipt(self.broker.connection, self.mid)
        self.up.arrived([Message(topic or topics.gateway_topic(gateway, name), payload, receipt)], self.at)

    def turn(self, after_s: float = 0.1, *, report: bool = True) -> None:
        self.at += after_s
        self.up.work(self.at, T + int(self.at * 1000) + self.ahead_ms)
        if report:
            self.up.reported(self.log.poll(0.0), self.at)
            self.up.work(self.at, T + int(self.at * 1000) + self.ahead_ms)

    def stored(self) -> list[tuple[str, int, int]]:
        records = [r.value for r in self.log.records("vitals") if r.value]
        return [identity for value in records for identity in decode_vitals(value).identities()]

    def rejected(self) -> list[Rejected]:
        return [msgspec.json.decode(r.value or b"", type=Rejected) for r in self.log.records("vitals.rejected")]

    def statuses(self) -> list[Status]:
        return [msgspec.json.decode(r.value or b"", type=Status) for r in self.log.records("status")]


def test_nothing_is_acknowledged_or_confirmed_before_the_log_holds_it(batch: MakeBatch) -> None:
    rig = Rig()
    rig.log.stop()
    rig.arrive("gw-1", batch("gw-1", 1))
    rig.turn()
    assert (rig.broker.acked, rig.broker.confirmed("gw-1")) == ([], set())
    rig.log.start()
    rig.turn()
    assert (rig.broker.acked, rig.broker.confirmed("gw-1")) == ([1], {1})
    assert len(rig.stored()) == 3


def test_batches_of_many_gateways_are_stored_once_each_and_confirmed_to_their_own(batch: MakeBatch) -> None:
    rig = Rig()
    for n in range(1, 6):
        for gateway in ("gw-1", "gw-2", "gw-3"):
            rig.arrive(gateway, batch(gateway, n, n=10, boot=n))
    rig.turn()
    assert len(rig.stored()) == len(set(rig.stored())) == 150
    assert all(rig.broker.confirmed(g) == {1, 2, 3, 4, 5} for g in ("gw-1", "gw-2", "gw-3"))
    assert rig.broker.acked == list(range(1, 16))
    assert rig.up.waiting == 0


def test_a_batch_that_comes_again_is_confirmed_again_and_not_written_again(batch: MakeBatch) -> None:
    rig = Rig()
    for _ in range(2):
        rig.arrive("gw-1", batch("gw-1", 1))
        rig.turn()
    assert len(rig.stored()) == len(set(rig.stored())) == 3
    assert len(rig.broker.published) == 2
    assert rig.broker.acked == [1, 2]


def test_a_batch_that_comes_again_while_it_is_on_its_way_waits_for_the_first(batch: MakeBatch) -> None:
    rig = Rig()
    rig.log.stop()
    for _ in range(3):
        rig.arrive("gw-1", batch("gw-1", 1))
        rig.turn()
    assert (rig.broker.acked, rig.broker.confirmed("gw-1")) == ([], set())
    rig.log.start()
    rig.turn()
    assert (rig.broker.acked, rig.broker.confirmed("gw-1")) == ([1, 2, 3], {1})
    assert len(rig.stored()) == len(set(rig.stored())) == 3


def test_other_readings_under_a_number_that_was_used_are_written(batch: MakeBatch) -> None:
    rig = Rig()
    for boot in (1, 2):
        rig.arrive("gw-1", batch("gw-1", 1, boot=boot))
        rig.turn()
    assert len(set(rig.stored())) == 6


def test_a_batch_of_another_gateway_is_refused_however_often_it_comes(batch: MakeBatch) -> None:
    rig = Rig()
    rig.arrive("gw-1", batch("gw-1", 1))
    for _ in range(2):
        rig.arrive("gw-2", batch("gw-1", 1))
    rig.turn()
    assert len(rig.rejected()) == 2
    assert len(rig.stored()) == 3


def test_every_record_of_readings_lies_in_the_partition_of_its_lane_under_its_number(batch: MakeBatch) -> None:
    rig = Rig(partitions=4)
    for k in range(20):
        rig.arrive(f"gw-{k}", batch(f"gw-{k}", 1, n=20, beds=10))
    rig.turn()
    lanes = set()
    for record in rig.log.records("vitals"):
        lane = int(record.key)
        lanes.add(lane)
        assert record.partition == lane % 4
        readings = decode_vitals(record.value or b"")
        assert {topics.lane(p or d) for p, d in zip(readings.patient, readings.device, strict=True)} <= {lane}
    assert len(lanes) == 16


def test_a_heartbeat_without_readings_goes_into_every_lane_each_second() -> None:
    rig = Rig()
    for _ in range(30):
        rig.turn(0.1)
    beats = [r for r in rig.log.records("vitals") if not len(decode_vitals(r.value or b""))]
    assert {int(r.key) for r in beats} == set(range(16))
    assert len(beats) == 3 * 16


def test_heartbeats_do_not_pile_up_while_the_log_is_away() -> None:
    rig = Rig()
    rig.log.stop()
    for _ in range(20):
        rig.turn(1.0)
    rig.log.start()
    rig.turn(0.0)
    assert len(rig.log.records("vitals")) <= 2 * 16


def test_a_full_log_stops_the_taking_and_nothing_is_lost_when_it_has_room_again(batch: MakeBatch) -> None:
    rig = Rig(capacity=20, gateway_window=1000)
    rig.log.stop()
    for n in range(1, 201):
        rig.arrive("gw-1", batch("gw-1", n, n=30, boot=n, beds=10))
        rig.turn(0.05, report=False)
    assert rig.up.stalled
    assert rig.broker.acked == []
    # What the bridge has taken out of its queue of messages is one write, however many messages wait.
    assert rig.up.waiting == 200
    rig.log.start()
    for _ in range(200):
        rig.turn(0.05)
    assert sorted(set(rig.stored())) == sorted(rig.stored())
    assert len(rig.stored()) == 6000
    assert rig.broker.confirmed("gw-1") == set(range(1, 201))
    assert rig.up.waiting == 0


def test_what_the_log_refuses_is_sent_again_and_confirmed_only_then(batch: MakeBatch) -> None:
    rig = Rig()
    narrow = MemoryLog({"vitals": 1, "vitals.rejected": 1, "status": 1})
    rig.up = UpPipeline(Settings(bridge="b1", partitions=16), narrow, rig.broker, rig.meters)
    rig.log = narrow
    rig.arrive("gw-1", batch("gw-1", 1, n=20, beds=10))
    for _ in range(3):
        rig.turn(2.0)
    assert rig.broker.confirmed("gw-1") == set()
    narrow.__init__({"vitals": 16, "vitals.rejected": 1, "status": 1})  # type: ignore[misc] # the topic is widened
    for _ in range(3):
        rig.turn(2.0)
    assert rig.broker.confirmed("gw-1") == {1}


@pytest.mark.parametrize("payload", [b"", b"garbage", b"\xff" * 2000, b"x\x9c"])
def test_garbage_is_rejected_with_its_bytes_and_acknowledged_and_others_are_unharmed(
    batch: MakeBatch, payload: bytes
) -> None:
    rig = Rig()
    rig.arrive("gw-1", payload)
    rig.arrive("gw-2", batch("gw-2", 1))
    rig.turn()
    (rejected,) = rig.rejected()
    assert rejected.payload == payload
    assert rejected.topic == topics.gateway_topic("gw-1", "vitals")
    assert rig.broker.acked == [1, 2]
    assert rig.broker.confirmed("gw-1") == set()
    assert rig.broker.confirmed("gw-2") == {1}


def test_a_batch_with_some_bad_readings_is_confirmed_once_both_its_good_and_its_bad_are_stored(
    batch: MakeBatch,
) -> None:
    rig = Rig()
    rig.log.stop()
    rig.arrive("gw-1", batch("gw-1", 1, n=4, first=-2))
    rig.turn()
    assert rig.broker.acked == []
    rig.log.start()
    rig.turn()
    assert [seq for _, _, seq in rig.stored()] == [0, 1]
    assert [r.readings for r in rig.rejected()] == [2]
    assert rig.broker.confirmed("gw-1") == {1}


def test_a_gateway_under_anothers_name_is_rejected_and_confirmed_to_itself_alone(batch: MakeBatch) -> None:
    rig = Rig()
    rig.arrive("gw-2", batch("gw-1", 1))
    rig.turn()
    assert rig.stored() == []
    assert "gw-1" in rig.rejected()[0].reason
    assert rig.log.records("vitals.rejected")[0].key == b"gw-2"
    assert (rig.broker.confirmed("gw-1"), rig.broker.confirmed("gw-2")) == (set(), {1})


def test_a_topic_that_is_no_gateways_is_rejected_and_acknowledged(batch: MakeBatch) -> None:
    rig = Rig()
    rig.arrive("", batch(), topic="gateways/99/gw-1/vitals")
    rig.arrive("", batch(), topic="")
    rig.turn()
    assert len(rig.rejected()) == 2
    assert rig.broker.acked == [1, 2]


def test_a_slot_of_another_bridge_is_acknowledged_and_left_to_it(batch: MakeBatch) -> None:
    other = (topics.slot("gw-1") + 1) % 16
    rig = Rig(bridge_slots=(other,))
    rig.arrive("gw-1", batch("gw-1", 1))
    rig.turn()
    assert (rig.broker.acked, rig.stored(), rig.broker.confirmed("gw-1")) == ([1], [], set())


def test_a_flooding_gateway_is_left_to_send_again_and_the_quiet_one_is_confirmed_first(batch: MakeBatch) -> None:
    rig = Rig(gateway_window=50)
    for n in range(1, 301):
        rig.arrive("flood", batch("flood", n, n=30, boot=n))
    rig.arrive("quiet", batch("quiet", 1))
    rig.at += 0.1
    rig.up.work(rig.at, T)
    rig.up.reported(rig.log.poll(0.0), rig.at)
    rig.turn()
    assert rig.broker.confirmed("quiet") == {1}
    assert rig.broker.confirmed("flood") == set(range(1, 51))
    assert rig.meters.shed._value.get() == 250
    assert len(rig.broker.acked) == 301


def test_what_waits_of_a_connection_that_is_gone_is_forgotten_and_not_acknowledged_on_the_next(
    batch: MakeBatch,
) -> None:
    rig = Rig()
    rig.log.stop()
    rig.arrive("gw-1", batch("gw-1", 1))
    rig.up.connected(False)
    rig.broker.connection = 2
    rig.up.connected(True)
    rig.arrive("gw-1", batch("gw-1", 1))
    rig.log.start()
    rig.turn()
    assert rig.broker.acked == [2]
    assert len(rig.stored()) == 3
    assert rig.up.waiting == 0


def test_qos_0_is_not_held_back_by_the_broker_so_it_is_left_out_beyond_the_bound(batch: MakeBatch) -> None:
    rig = Rig(receive_maximum=10)
    rig.log.stop()
    for n in range(1, 101):
        rig.up.arrived([Message(topics.gateway_topic("gw-1", "vitals"), batch("gw-1", n))], rig.at)
    assert rig.up.waiting == 10


def test_an_empty_batch_is_confirmed(batch: MakeBatch) -> None:
    rig = Rig()
    rig.arrive("gw-1", batch("gw-1", 1, n=0))
    rig.turn()
    assert rig.broker.confirmed("gw-1") == {1}
    assert rig.broker.acked == [1]


def test_statuses_go_on_by_gateway_and_silence_is_told_once() -> None:
    rig = Rig()
    up = Status(id="gw-1", kind="gateway", health=Health.UP, t=5, backlog=3)
    rig.arrive("gw-1", msgspec.json.encode(up), "status")
    rig.turn()
    told = next(s for s in rig.statuses() if s.id == "gw-1")
    assert (told.health, told.backlog, told.t) == (Health.UP, 3, T + int(rig.at * 1000))
    assert rig.broker.acked == [1]
    for _ in range(30):
        rig.turn(0.5)
    told = [s.health for s in rig.statuses() if s.id == "gw-1"]
    assert told == [Health.UP, Health.SILENT]
    assert {r.key for r in rig.log.records("status")} == {b"gw-1", b"b1"}


def test_the_bridge_tells_of_itself_and_a_broker_that_is_back_at_once_is_no_silence() -> None:
    rig = Rig()
    for _ in range(20):
        rig.turn(0.5)
    rig.up.connected(False)
    for _ in range(10):
        rig.turn(0.5)
    # It would page people for every restart.
    assert {s.health for s in rig.statuses() if s.id == "b1"} == {Health.UP}
    for _ in range(20):
        rig.turn(0.5)
    own = [s for s in rig.statuses() if s.id == "b1"]
    assert own[-1].health is Health.SILENT
    assert own[-1].slots == tuple(range(16))


def test_what_gateways_refused_themselves_is_put_aside_under_their_name() -> None:
    rig = Rig()
    own = [Rejected(topic=f"devices/d{k}/vitals", reason="not a frame", t=T, payload=b"\xff") for k in range(2)]
    rig.arrive("gw-1", msgspec.json.encode(own), "rejected")
    rig.arrive("gw-1", msgspec.json.encode(own[:0]), "rejected")
    rig.arrive("gw-1", msgspec.json.encode([msgspec.structs.replace(own[0], reason="x" * 70_000)]), "rejected")
    rig.turn()
    assert rig.rejected()[:2] == own
    assert "length <= 65536" in rig.rejected()[2].reason
    assert {r.key for r in rig.log.records("vitals.rejected")} == {b"gw-1"}
    assert rig.broker.acked == [1, 2, 3]


def test_a_gateways_own_alarm_is_its_own_to_acknowledge() -> None:
    rig = Rig()
    pressed = Action(id="a", act=Act.ACKNOWLEDGE, patient="gw-1", t=T, by="bed", alarm="gw-1.outbox-filling.1")
    rig.arrive("gw-1", msgspec.json.encode(pressed), "pressed")
    rig.arrive("gw-2", msgspec.json.encode(pressed), "pressed")
    rig.turn()
    assert len(rig.log.records("actions")) == 1
    assert "who is not at gateway gw-2" in rig.rejected()[0].reason


def test_an_acknowledgement_at_the_bed_goes_to_actions_in_its_patients_lane() -> None:
    rig = Rig()
    pressed = Action(id="a", act=Act.ACKNOWLEDGE, patient="p1", t=T, by="bed", alarm="p1.hr.1")
    rig.arrive("gw-1", msgspec.json.encode(pressed), "pressed")
    rig.turn()
    (record,) = rig.log.records("actions")
    assert msgspec.json.decode(record.value or b"", type=Action) == pressed
    assert (record.partition, record.key) == (topics.lane("p1"), b"p1")
    assert rig.broker.acked == [1]


@pytest.mark.parametrize(
    "action",
    [
        Action(id="a", act=Act.ACKNOWLEDGE, patient="p2", t=T, by="bed", alarm="p2.hr.1"),
        Action(id="a", act=Act.ACKNOWLEDGE, patient="nobody-knows", t=T, by="bed", alarm="nobody-knows.hr.1"),
        Action(id="a", act=Act.CHART, patient="p1", t=T, by="bed", oxygen=True),
        Action(id="", act=Act.ACKNOWLEDGE, patient="p1", t=T, by="bed", alarm="p1.hr.1"),
        Action(id="a", act=Act.ACKNOWLEDGE, patient="p1", t=0, by="bed", alarm="p1.hr.1"),
        "no action",
    ],
)
def test_a_gateway_acts_on_its_own_patients_alarms_alone(action: object) -> None:
    rig = Rig()
    rig.arrive("gw-1", msgspec.json.encode(action), "pressed")
    rig.turn()
    assert rig.log.records("actions") == []
    assert len(rig.rejected()) == 1
    assert rig.broker.acked == [1]


def test_a_bridge_whose_clock_leaves_the_logs_says_so_until_it_is_set_right() -> None:
    rig = Rig()
    for _ in range(4):
        rig.turn(1.0)
    rig.ahead_ms = 5000
    for _ in range(4):
        rig.turn(1.0)
    began = next(s for s in rig.statuses() if s.alarms)
    assert began.alarms == (f"b1.bridge-clock.{T + 105_000}",)
    assert began.offset_ms == -5000
    # What it tells of others, and of itself, it dates by the log's clock meanwhile.
    assert began.t == T + 107_000
    assert rig.statuses()[-1].alarms == began.alarms
    rig.ahead_ms = 0
    for _ in range(4):
        rig.turn(1.0)
    assert (rig.statuses()[-1].alarms, rig.statuses()[-1].offset_ms) == ((), 0)


def test_a_gateways_clock_is_measured_told_to_it_and_passed_on_but_not_by_a_clock_that_is_off() -> None:
    rig = Rig()

    def says(behind_ms: int, times: int) -> None:
        for _ in range(times):
            sent = T + int(rig.at * 1000) - behind_ms
            up = Status(id="gw-1", kind="gateway", health=Health.UP, t=sent, sent=sent)
            rig.arrive("gw-1", msgspec.json.encode(up), "status")
            for _ in range(3):
                rig.turn(1.0)

    def told() -> list[int]:
        payloads = [p for t, p in rig.broker.published if t == topics.gateway_topic("gw-1", "clock")]
        return [msgspec.json.decode(p, type=ClockOffset).offset_ms for p in payloads]

    passed_on = lambda: [s for s in rig.statuses() if s.id == "gw-1"][-1].offset_ms  # noqa: E731
    says(7_000, 5)
    # It came with the next turn, a second later.
    assert (told(), passed_on()) == ([8_000], 8_000)
    rig.ahead_ms = 60_000
    says(7_000, 10)
    assert (told(), passed_on()) == ([8_000], 8_000)
    rig.ahead_ms = 0
    says(7_000, 1)
    says(-5_000, 10)
    assert (told()[-1], passed_on()) == (-4_000, -4_000)


def test_a_retired_gateway_is_forgotten_by_a_bridge_that_told_of_it() -> None:
    rig = Rig()
    rig.arrive("gw-1", msgspec.json.encode(Status(id="gw-1", kind="gateway", health=Health.UP, t=5)), "status")
    for _ in range(12):
        rig.turn(1.0)
    assert [d.device for d in rig.statuses()[-1].devices] == ["gw-1"]
    down, _ = downward()
    down.received(ConsumedRecord(topics.STATUS, 0, 0, b"gw-1", None, T), T)
    rig.up.peers(down.bridges(), rig.at)
    for _ in range(12):
        rig.turn(1.0)
    assert rig.statuses()[-1].devices == ()
    assert [s.health for s in rig.statuses() if s.id == "gw-1"] == [Health.UP, Health.SILENT]


def says_its_clock(rig: Rig, behind_ms: int = 0) -> None:
    sent = T + int(rig.at * 1000) - behind_ms
    up = Status(id="gw-1", kind="gateway", health=Health.UP, t=sent, sent=sent)
    rig.arrive("gw-1", msgspec.json.encode(up), "status")


def test_what_is_measured_after_the_bridges_clock_was_set_waits_for_a_heartbeat_that_was_sent_after_it() -> None:
    rig = Rig()
    rig.turn(1.0)
    rig.turn(1.0, report=False)
    rig.ahead_ms = 60_000
    says_its_clock(rig)
    rig.turn(0.1, report=False)
    # A heartbeat from before says nothing of the clock as it is now.
    rig.up.reported(rig.log.poll(0.0), rig.at)
    told = lambda: [t for t, _ in rig.broker.published if t == topics.gateway_topic("gw-1", "clock")]  # noqa: E731
    assert told() == []
    for _ in range(3):
        rig.turn(1.0)
    assert told() == []


def test_a_bridge_whose_clock_is_off_measures_nobody_also_while_the_log_is_away() -> None:
    rig = Rig()
    for _ in range(4):
        says_its_clock(rig)
        rig.turn(3.0)
    rig.ahead_ms = 60_000
    for _ in range(2):
        rig.turn(1.0)
    for _ in range(10):
        says_its_clock(rig)
        rig.turn(3.0, report=False)
    rig.turn(1.0)
    assert {s.offset_ms for s in rig.statuses() if s.id == "gw-1"} == {None, 3_000}
