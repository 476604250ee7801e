"""The bridge as a process, between a real broker (TLS, client certificates, ACL) and a real Kafka."""

import time
import zlib
from collections.abc import Callable

import msgspec
import pytest

from infra.local.stack import KAFKA, SITE_BROKER
from tests.bridge.hospital import Site, flow
from tests.support.waiting import until
from vitals.actions import Act, Action
from vitals.admissions import Admission, Roster
from vitals.status import ClockOffset, Health, Heartbeat, Status
from vitals.wire import topics

MakeBatch = Callable[..., bytes]


def test_a_bridge_killed_in_mid_flow_loses_nothing_and_another_takes_over_its_gateways(
    site: Site, batch: MakeBatch
) -> None:
    site.start_bridge("bridge-kill-a")
    gateway = site.gateway("gw-kill")
    accepted = flow(gateway, batch, 1, 60)
    site.kill_bridge()
    accepted |= flow(gateway, batch, 61, 100)
    site.start_bridge("bridge-kill-a")
    accepted |= flow(gateway, batch, 101, 140)
    site.kill_bridge()
    site.start_bridge("bridge-kill-b")
    accepted |= flow(gateway, batch, 141, 160)
    gateway.settle()
    assert set(site.identities(gateway)) == accepted


def test_without_faults_every_reading_reaches_kafka_exactly_once(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-once")
    gateway = site.gateway("gw-once")
    accepted = flow(gateway, batch, 1, 100)
    until(lambda: not gateway.kept, "confirmation")
    assert sorted(site.identities(gateway)) == sorted(accepted)


def test_kafka_away_stops_the_taking_and_all_arrives_when_it_is_back(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-away", STATUS_TIMEOUT_S="2", RECEIVE_MAXIMUM="20")
    gateway = site.gateway("gw-away")
    accepted = flow(gateway, batch, 1, 20)
    until(lambda: not gateway.kept, "confirmation")
    site.stack.processes.kill("kafka")
    accepted |= flow(gateway, batch, 21, 120)
    until(lambda: site.health().get("kafka") is False, "the bridge's report that Kafka is away")
    assert site.health()["waiting"] <= 20
    assert len(gateway.kept) == 100
    site.stack.up((KAFKA,))
    gateway.settle()
    assert set(site.identities(gateway)) == accepted
    until(lambda: site.health().get("ok") is True, "the bridge's recovery")


def test_a_broker_that_dies_loses_nothing_and_is_found_again(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-broker")
    gateway = site.gateway("gw-broker")
    accepted = flow(gateway, batch, 1, 30)
    site.stack.processes.kill("site-broker")
    until(lambda: site.health().get("uplink") is False, "the bridge's report that the broker is away")
    accepted |= flow(gateway, batch, 31, 40)
    site.stack.up((SITE_BROKER,))
    gateway.settle()
    assert set(site.identities(gateway)) == accepted


def test_garbage_bombs_and_foreign_names_are_rejected_and_others_unharmed(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-bad")
    good, bad = site.gateway("gw-good"), site.gateway("gw-bad")
    accepted = flow(good, batch, 1, 10)
    for payload in (b"garbage", b"", zlib.compress(b"[" + b"0," * 30_000_000, 9), b"\x00\xff" * 40_000):
        bad.send(payload)
    bad.keep(1, batch(good.name, 1, outbox=bad.outbox, boot=99))
    bad.send(b"{", "status")
    accepted |= flow(good, batch, 11, 20)
    until(lambda: not good.kept and not bad.kept, "confirmation")
    until(lambda: len(site.rejected(bad)) == 6, "six rejections")
    bad.send(batch(good.name, 2, boot=98), gateway=good.name)
    until(lambda: [reason.value for reason in bad.refused] == [0x87], "the broker's refusal")
    assert sorted(site.identities(good)) == sorted(accepted)
    assert site.rejected(good) == []


def test_rosters_actions_and_the_notifiers_heartbeat_reach_their_gateway(site: Site) -> None:
    site.start_bridge("bridge-down")
    gateway, patient = site.gateway("gw-down"), f"p-{time.time_ns()}"
    admission = Admission(
        patient=patient,
        version=5,
        name="n",
        born="1950-01-01",
        phone="",
        address="",
        ward="icu",
        bed="1",
        gateway=gateway.name,
        devices=("d1",),
        since=1,
    )
    place = topics.lane(patient)
    site.write(topics.PATIENTS, place, patient, admission)
    until(lambda: bool(gateway.heard["roster"]), "the roster")
    roster = msgspec.json.decode(gateway.heard["roster"][0], type=Roster)
    assert [p.patient for p in roster.placements] == [patient]
    now = time.time_ns() // 1_000_000
    action = Action(id="a", act=Act.ACKNOWLEDGE, patient=patient, t=now, by="nurse", alarm="x")
    site.write(topics.ACTIONS, place, patient, action)
    site.write(topics.STATUS, 0, "notifier", Status(id="notifier", kind="notifier", health=Health.UP, t=now))
    until(lambda: bool(gateway.heard["actions"] and gateway.heard["heartbeat"]), "action and heartbeat")
    assert msgspec.json.decode(gateway.heard["actions"][0], type=Action) == action
    assert msgspec.json.decode(gateway.heard["heartbeat"][0], type=Heartbeat) == Heartbeat(now)
    site.kill_bridge()
    site.write(topics.PATIENTS, place, patient, None)
    site.start_bridge("bridge-down")
    until(lambda: len(gateway.heard["roster"]) > 1, "the emptied roster")
    emptied = msgspec.json.decode(gateway.heard["roster"][-1], type=Roster)
    assert emptied.placements == ()
    assert emptied.version > roster.version


def test_a_roster_that_the_site_broker_lost_is_said_again(site: Site) -> None:
    site.start_bridge("bridge-lost")
    gateway, patient = site.gateway("gw-lost"), f"p-{time.time_ns()}"
    admission = Admission(
        patient=patient,
        version=5,
        name="n",
        born="1950-01-01",
        phone="",
        address="",
        ward="icu",
        bed="1",
        gateway=gateway.name,
        devices=("d1",),
        since=1,
    )
    site.write(topics.PATIENTS, topics.lane(patient), patient, admission)
    until(lambda: bool(gateway.heard["roster"]), "the roster")
    # Killed before it has saved what it retains, which it does once a minute.
    site.stack.processes.kill("site-broker")
    until(lambda: site.health().get("uplink") is False, "the bridge's report that the broker is away")
    site.stack.up((SITE_BROKER,))
    until(lambda: len(gateway.heard["roster"]) > 1, "the roster, again")
    assert gateway.heard["roster"][1] == gateway.heard["roster"][0]
    site.write(topics.PATIENTS, topics.lane(patient), patient, None)


def test_a_gateways_clock_is_measured_told_to_it_and_to_kafka(site: Site) -> None:
    site.start_bridge("bridge-clocks", STATUS_EVERY_S="0.5")
    gateway = site.gateway("gw-clocks")

    def says() -> bool:
        now = time.time_ns() // 1_000_000
        status = Status(id=gateway.name, kind="gateway", health=Health.UP, t=now, sent=now - 7_000)
        gateway.send(msgspec.json.encode(status), "status")
        newest = site.statuses(gateway.name)
        return bool(newest) and newest[-1].offset_ms is not None

    until(says, "the measured offset in Kafka")
    assert site.statuses(gateway.name)[-1].offset_ms == pytest.approx(7_000, abs=1000)
    told = msgspec.json.decode(gateway.heard["clock"][0], type=ClockOffset)
    assert told.offset_ms == pytest.approx(7_000, abs=1000)


def test_silence_and_a_last_will_are_told_to_kafka(site: Site) -> None:
    site.start_bridge("bridge-silence", STATUS_TIMEOUT_S="1")
    gateway = site.gateway("gw-silence")

    def told() -> list[Health]:
        return [status.health for status in site.statuses(gateway.name)]

    gateway.send(msgspec.json.encode(Status(id=gateway.name, kind="gateway", health=Health.UP, t=1)), "status")
    until(lambda: told() == [Health.UP, Health.SILENT], "silence")
    gateway.send(msgspec.json.encode(Status(id=gateway.name, kind="gateway", health=Health.OFFLINE, t=1)), "status")
    until(lambda: told()[2:] == [Health.OFFLINE], "the last will")


def test_a_gateway_that_restarts_in_time_is_never_told_as_gone(site: Site) -> None:
    site.start_bridge("bridge-restart", STATUS_TIMEOUT_S="3", STATUS_EVERY_S="0.5")
    gateway = site.gateway("gw-restart")

    def says(health: Health) -> None:
        gateway.send(msgspec.json.encode(Status(id=gateway.name, kind="gateway", health=health, t=1)), "status")

    told = lambda: [status.health for status in site.statuses(gateway.name)]  # noqa: E731
    says(Health.UP)
    says(Health.OFFLINE)
    says(Health.UP)
    until(lambda: len(told()) > 1, "its return")
    assert told() == [Health.UP, Health.UP]
    says(Health.OFFLINE)
    until(lambda: len(told()) > 2, "its end")
    assert told()[2:] == [Health.OFFLINE]
