"""Several bridges, floods, and a Kafka that stands still: real processes, real servers."""

import time
from pathlib import Path

import msgspec
import pytest

from infra.local.stack import KAFKA
from tests.bridge.hospital import Gateway, MakeBatch, Site, flow
from tests.support.waiting import until
from vitals.status import Health, Status
from vitals.wire import topics

LOW, HIGH = "0,1,2,3,4,5,6,7", "8,9,10,11,12,13,14,15"
MEMORY_MB = 60.0
"""What a bridge may grow by while Kafka stands still, with a queue of 4 MB and 100 messages taken."""


def gateway_of(site: Site, name: str, low: bool) -> Gateway:
    """A gateway of the lower or of the upper eight slots."""
    number = next(k for k in range(1000) if (topics.slot(f"{name}-{k}") < 8) == low)
    site.gateways.append(Gateway(site, f"{name}-{number}"))
    return site.gateways[-1]


def test_two_bridges_share_the_slots_and_a_dead_ones_gateways_are_taken_over(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("shared-a", BRIDGE_SLOTS=LOW)
    site.start_bridge("shared-b", BRIDGE_SLOTS=HIGH)
    one, two = gateway_of(site, "gw-one", low=True), gateway_of(site, "gw-two", low=False)
    accepted = {one: flow(one, batch, 1, 30), two: flow(two, batch, 1, 30)}
    until(lambda: not one.kept and not two.kept, "confirmation by both bridges")
    site.kill_bridge("shared-a")
    accepted[one] |= flow(one, batch, 31, 50)
    accepted[two] |= flow(two, batch, 31, 50)
    until(lambda: not two.kept, "confirmation by the bridge that lives")
    assert len(one.kept) == 20
    site.stop_bridge("shared-b")
    site.start_bridge("shared-b")
    for gateway in (one, two):
        gateway.settle()
        assert set(site.identities(gateway)) == accepted[gateway]


def test_a_bridge_that_stops_in_order_says_nothing_and_is_told_by_another_only_after_the_time(site: Site) -> None:
    settings = {"STATUS_TIMEOUT_S": "2", "STATUS_EVERY_S": "0.2"}
    site.start_bridge("told-a", BRIDGE_SLOTS=LOW, **settings)
    site.start_bridge("told-b", BRIDGE_SLOTS=HIGH, **settings)
    until(lambda: len(site.statuses("told-b")) > 2, "the other's statuses")
    site.stop_bridge("told-a")
    until(lambda: site.statuses("told-a")[-1].health is Health.SILENT, "its neighbour's word that it is gone")
    *own, told = site.statuses("told-a")
    assert {status.health for status in own} == {Health.UP}
    assert told.t - own[-1].t >= 2000


def test_a_bridge_that_is_an_hour_ahead_moves_no_log_time_says_so_and_is_heard(
    site: Site, batch: MakeBatch, tmp_path: Path
) -> None:
    clock = tmp_path / "ahead"
    clock.write_text("4000")
    site.start_bridge("ahead", clock=clock, STATUS_EVERY_S="0.2")
    gateway = site.gateway("gw-ahead")
    accepted = flow(gateway, batch, 1, 5)
    # What a producer dates an hour ahead Kafka refuses for good, unless it dates records itself.
    until(lambda: not gateway.kept, "confirmation")
    assert set(site.identities(gateway)) == accepted
    newest = max(r.t for r in site.records(topics.VITALS))
    assert newest <= time.time_ns() // 1_000_000 + 1000
    until(lambda: bool(site.statuses("ahead")[-1].alarms), "the bridge's word that its clock is off")
    told = site.statuses("ahead")[-1]
    assert told.alarms[0].startswith("ahead.bridge-clock.")
    assert told.offset_ms == pytest.approx(-4_000_000, abs=1000)
    clock.write_text("0")
    until(lambda: not site.statuses("ahead")[-1].alarms, "the end of it")


def test_while_kafka_stands_still_memory_is_bounded_and_nothing_is_lost(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("still", KAFKA_QUEUE_MB="4", RECEIVE_MAXIMUM="100")
    gateway = site.gateway("gw-still")
    accepted = flow(gateway, batch, 1, 5)
    until(lambda: not gateway.kept, "confirmation")
    kafka, before = site.stack.processes.alive()[KAFKA], site.rss_mb("still")
    payloads = {n: batch(gateway.name, n, outbox=gateway.outbox, n=1000, boot=n, beds=5) for n in range(6, 206)}
    kafka.suspend()
    try:
        for n, payload in payloads.items():
            gateway.keep(n, payload)
        until(lambda: site.health("still").get("waiting") == 100, "the bound of what it takes")
        assert site.rss_mb("still") - before < MEMORY_MB
    finally:
        kafka.resume()
    gateway.settle()
    accepted |= {(f"{gateway.name}-d{i % 5}", n, i) for n in payloads for i in range(1000)}
    assert set(site.identities(gateway)) == accepted


def test_a_gateway_that_floods_slows_only_itself(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("flooded", GATEWAY_WINDOW="50")
    flood, quiet = site.gateway("gw-flood"), site.gateway("gw-quiet")
    rubbish, whole = b"\x78\x9c" + b"\xff" * 2000, batch(flood.name, 1, outbox=flood.outbox, n=500)
    for n in range(1500):
        flood.send(rubbish if n % 2 else whole)
    flood.send(msgspec.json.encode(Status(id=flood.name, kind="gateway", health=Health.UP, t=1)), "status")
    accepted = flow(quiet, batch, 1, 5)
    until(lambda: not quiet.kept, "confirmation of the quiet gateway", 5.0)
    assert sorted(site.identities(quiet)) == sorted(accepted)
