from collections.abc import Sequence

import msgspec
from prometheus_client import CollectorRegistry

from bridge.down.pipeline import DownPipeline
from bridge.kafka.port import ConsumedRecord
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message, Receipt
from vitals.actions import Act, Action
from vitals.admissions import Admission, Roster
from vitals.status import Health, Heartbeat, Status
from vitals.wire import topics

NOW = 1_763_812_800_000


class FakeBroker:
    """A broker that remembers what was published; it can be away."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bool]] = []
        self.there = True

    def ack(self, receipts: Sequence[Receipt]) -> None:
        raise AssertionError(f"{receipts}: the way down acknowledges nothing")

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        del qos
        if self.there:
            self.published.append((topic, payload, retain))
        return self.there

    def on(self, gateway: str, name: str) -> list[bytes]:
        return [p for t, p, _ in self.published if t == topics.gateway_topic(gateway, name)]


def downward() -> tuple[DownPipeline, FakeBroker]:
    broker = FakeBroker()
    return DownPipeline(frozenset(range(16)), broker, Metrics(CollectorRegistry())), broker


def record(topic: str, key: str, value: object) -> ConsumedRecord:
    data = value if isinstance(value, bytes) or value is None else msgspec.json.encode(value)
    return ConsumedRecord(topic, 0, 0, key.encode(), data, NOW)


def admitted(patient: str = "p1", gateway: str = "gw-1") -> ConsumedRecord:
    admission = Admission(
        patient=patient,
        version=1,
        name="n",
        born="1950-01-01",
        phone="",
        address="",
        ward="icu",
        bed="1",
        gateway=gateway,
        devices=("d1",),
        since=1,
    )
    return record(topics.PATIENTS, patient, admission)


ACTION = Action(id="a1", act=Act.ACKNOWLEDGE, patient="p1", t=NOW, by="nurse", alarm="x")


def test_nothing_goes_down_before_all_patients_are_read() -> None:
    down, broker = downward()
    down.received(record(topics.ACTIONS, "p1", ACTION), NOW)
    down.received(admitted(), NOW)
    down.work(False, 9.0)
    assert broker.published == []
    down.work(True, 9.0)
    (roster,) = broker.on("gw-1", "roster")
    assert [p.patient for p in msgspec.json.decode(roster, type=Roster).placements] == ["p1"]
    assert broker.on("gw-1", "actions") == [msgspec.json.encode(ACTION)]
    assert {t for t, _, retain in broker.published if retain} == {topics.gateway_topic("gw-1", "roster")}


def test_what_the_broker_does_not_take_is_published_later() -> None:
    down, broker = downward()
    broker.there = False
    down.received(admitted(), NOW)
    down.received(record(topics.ACTIONS, "p1", ACTION), NOW)
    down.work(True, 9.0)
    broker.there = True
    down.work(True, 9.0)
    assert (len(broker.on("gw-1", "roster")), len(broker.on("gw-1", "actions"))) == (1, 1)


def test_an_action_on_nobody_here_goes_nowhere() -> None:
    down, broker = downward()
    down.received(record(topics.ACTIONS, "px", msgspec.structs.replace(ACTION, patient="px")), NOW)
    down.work(True, 9.0)
    assert broker.published == []


def test_a_mark_of_an_alarm_as_not_actionable_stays_in_the_cloud() -> None:
    down, broker = downward()
    down.received(admitted(), NOW)
    down.received(record(topics.ACTIONS, "p1", msgspec.structs.replace(ACTION, act=Act.NOT_ACTIONABLE)), NOW)
    down.received(record(topics.ACTIONS, "p1", ACTION), NOW)
    down.work(True, 9.0)
    assert broker.on("gw-1", "actions") == [msgspec.json.encode(ACTION)]


def test_the_notifiers_heartbeat_goes_to_gateways_seen_or_with_patients_and_only_while_it_is_fresh() -> None:
    down, broker = downward()
    down.seen("gw-2")
    down.received(admitted(), NOW)
    beat = Status(id="notifier", kind="notifier", health=Health.UP, t=NOW)
    down.received(record(topics.STATUS, "notifier", beat), NOW + 61_000)
    assert broker.published == []
    down.received(record(topics.STATUS, "notifier", beat), NOW + 100)
    for gateway in ("gw-1", "gw-2"):
        assert [msgspec.json.decode(p, type=Heartbeat) for p in broker.on(gateway, "heartbeat")] == [Heartbeat(NOW)]
    gone = msgspec.structs.replace(beat, health=Health.OFFLINE)
    down.received(record(topics.STATUS, "notifier", gone), NOW)
    assert len(broker.published) == 2


def test_records_that_cannot_be_read_are_passed_over_and_the_next_patient_is_not_stopped() -> None:
    down, broker = downward()
    for topic in (topics.PATIENTS, topics.ACTIONS):
        for value in (b"garbage", b"{}", b"\xff\xfe", b"[1]"):
            down.received(record(topic, "p9", value), NOW)
    down.received(record(topics.STATUS, "x", b'"notifier" garbage'), NOW)
    down.received(admitted(), NOW)
    down.work(True, 9.0)
    assert len(broker.on("gw-1", "roster")) == 1


def test_a_roster_that_the_broker_holds_for_patients_who_left_is_replaced_by_a_newer_one() -> None:
    first, broker = downward()
    first.received(admitted(), NOW)
    first.work(True, 9.0)
    (held,) = broker.on("gw-1", "roster")
    restarted, broker = downward()
    restarted.found(Message(topics.gateway_topic("gw-1", "roster"), held), 0.0)
    restarted.found(Message(topics.gateway_topic("gw-1", "roster"), b"garbage"), 0.0)
    restarted.found(Message(topics.gateway_topic("gw-2", "roster"), held), 0.0)
    restarted.work(True, 9.0)
    (roster,) = broker.on("gw-1", "roster")
    assert msgspec.json.decode(roster, type=Roster) == Roster(gateway="gw-1", version=2, placements=())


def test_after_each_connection_the_rosters_that_the_broker_lacks_are_said_again() -> None:
    down, broker = downward()
    down.connected(True, 10.0)
    down.received(admitted(), NOW)
    down.work(True, 10.5)
    # What it holds is still to come.
    assert broker.published == []
    down.work(True, 11.0)
    (roster,) = broker.on("gw-1", "roster")
    down.connected(False, 20.0)
    down.work(True, 25.0)
    down.connected(True, 30.0)
    down.work(True, 30.5)
    assert len(broker.on("gw-1", "roster")) == 1
    down.work(True, 31.0)
    assert broker.on("gw-1", "roster") == [roster, roster]
    down.connected(False, 40.0)
    # It may come before the word that the subscription is accepted.
    down.found(Message(topics.gateway_topic("gw-1", "roster"), roster), 49.9)
    down.connected(True, 50.0)
    down.work(True, 51.0)
    assert broker.on("gw-1", "roster") == [roster, roster]


def test_a_broker_that_never_falls_quiet_is_not_waited_for_for_ever() -> None:
    down, broker = downward()
    down.received(admitted(), NOW)
    down.connected(True, 0.0)
    for second in range(10):
        down.found(Message(topics.gateway_topic(f"gw-{second + 5}", "roster"), b"{}"), second + 0.5)
        down.work(True, second + 1.0)
    assert len(broker.on("gw-1", "roster")) == 1
