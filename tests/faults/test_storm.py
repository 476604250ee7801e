"""What the storm on the whole path decides without a stack: its plan, its truth and its verdict."""

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from cloud.kafka.port import Record
from infra.demo.faults import Fault, What
from infra.demo.supervisor import Struck
from tests.faults.path import plan as plans
from tests.faults.path.sight import Raised, Sight, raised
from tests.faults.path.truth import Truth
from tests.faults.path.verdict import (
    NEAR_MS,
    Counted,
    Recovery,
    Rows,
    alarms,
    messages,
    real,
    recovery,
    synthetic,
)
from tests.load.plan import Gateway, Plan
from tests.support.fake_clock import Moved
from vitals.admissions import Admission
from vitals.alarm_events import Call, Kind, Priority, started
from vitals.contacts import Notification
from vitals.wire import topics, uplink_batch
from vitals.wire.vitals_record import encode_vitals

T0 = 1_763_812_800_000


def test_a_seed_gives_the_same_storm_again_and_another_seed_another() -> None:
    assert plans.storm(3, 1800, 100) == plans.storm(3, 1800, 100)
    assert plans.storm(3, 1800, 100) != plans.storm(4, 1800, 100)


def test_a_hundred_faults_are_every_fault_there_is_in_order_within_the_run() -> None:
    faults = plans.storm(3, 1800, 100)
    assert len(faults) == 100
    assert {(f.what, f.target, f.for_s, f.amount) for f in faults} == set(plans.kinds())
    times = [f.at_s for f in faults]
    assert times == sorted(times)
    assert plans.FIRST * 1800 <= times[0] <= times[-1] <= plans.LAST * 1800


def test_few_faults_are_different_ones_and_moto_is_never_killed() -> None:
    faults = plans.storm(1, 180, 10)
    assert len({(f.what, f.target, f.amount) for f in faults}) == 10
    assert not [kind for kind in plans.kinds() if kind[0] in {What.KILL, What.RESTART} and kind[1] == "moto"]


def event(id_: str, *, n: int = 0, start: int = T0, t: int = T0, told: int = T0 + 100) -> Raised:
    return Raised(id_, n, "start", id_.split(".", maxsplit=1)[0], "spo2", start, t, told)


def test_alarms_missed_doubled_and_invented_are_told_apart() -> None:
    due = [event(f"p{k}.spo2.1") for k in range(4)]
    told = [due[0], due[1], due[1], due[2], event("q.spo2.1")]
    found = alarms(due, told, [])
    assert (found.due, found.missed, found.doubled, found.invented, found.moved) == (4, 1, 1, 1, 0)
    assert found.names == ("missed p3.spo2.1", "doubled p1.spo2.1", "invented q.spo2.1")


def test_an_alarm_that_began_a_little_later_is_the_same_one_and_much_later_another() -> None:
    due = [event("p.spo2.1"), event("q.spo2.1")]
    told = [event("p.spo2.2", start=T0 + NEAR_MS), event("q.spo2.2", start=T0 + NEAR_MS + 1)]
    found = alarms(due, told, [])
    assert (found.missed, found.invented, found.moved) == (1, 1, 1)


def test_an_alarm_is_late_in_quiet_alone() -> None:
    late = event("p.spo2.1", told=T0 + 11_000)
    assert alarms([late], [late], []).late == 1
    assert alarms([late], [late], [(T0 + 5_000, T0 + 6_000)]).late == 0
    assert alarms([late], [late], [(T0 - 10, T0 - 1), (T0 + 11_001, T0 + 12_000)]).late == 1


def test_readings_of_synthetic_gateways_are_counted_by_what_each_has_sent() -> None:
    plan = Plan(patients=4, per_gateway=2, name="f")
    whole = {f"f-d{bed}": Rows(2, 2, 1) for bed in (0, 1)} | {f"f-d{bed}": Rows(1, 1, 0) for bed in (2, 3)}
    assert synthetic(plan, 3, whole) == Counted(6, 0, 0, 0)
    gone = {name: rows for name, rows in whole.items() if name != "f-d2"}
    assert synthetic(plan, 3, gone | {"f-d0": Rows(1, 1, 1)}) == Counted(6, 2, 0, 0)
    assert synthetic(plan, 3, whole | {"f-d0": Rows(3, 2, 1)}) == Counted(6, 0, 1, 0)
    assert synthetic(plan, 3, whole | {"f-d2": Rows(2, 2, 1), "f-d9": Rows(1, 1, 0)}) == Counted(6, 0, 0, 2)


def test_readings_of_real_gateways_are_counted_by_identity() -> None:
    accepted = {("a", 1, seq) for seq in range(3)}
    held = Counter({("a", 1, 0): 2, ("a", 1, 1): 1, ("a", 1, 7): 1})
    assert real(accepted, held) == Counted(accepted=3, lost=1, doubled=1, foreign=0)


def note(alarm: str, sns: str | None) -> Notification:
    return Notification(
        alarm=alarm, n=0, patient="p", contact="c", handover=0, channels=(), sns=sns, t=T0, accepted=T0, sms=""
    )


def test_messages_untold_failed_doubled_and_within_the_window_are_told_apart() -> None:
    due = [event(name) for name in ("a", "b", "c", "d")]
    records = [note("a", "1"), note("a", "2"), note("b", None), note("b", "3"), note("c", None)]
    queue = {("a", 0, "c", 0): 2, ("b", 0, "c", 0): 2}
    found = messages(due, records, queue)
    assert (found.due, found.untold, found.failed, found.doubled, found.window) == (4, 2, 1, 1, 1)


def test_of_an_alarm_that_joined_its_incident_nobody_is_to_be_told_and_of_one_that_calls_somebody_is() -> None:
    marks: list[tuple[str, Call]] = [("", Call.NONE), ("i", Call.PAGE), ("i", Call.NONE)]
    told = [
        raised(
            started(
                f"p{k}",
                "spo2",
                Kind.PHYSIOLOGICAL,
                Priority.HIGH,
                start=T0,
                now=T0,
                text="low",
                seq=1,
                patient=f"p{k}",
                incident=incident,
                call=call,
            )
        )
        for k, (incident, call) in enumerate(marks)
    ]
    found = messages([one for one in told if one is not None], [], {})
    assert (len(told), found.due, found.untold) == (3, 2, 2)


def test_a_fault_is_over_once_what_was_measured_after_it_has_arrived_everywhere() -> None:
    struck = Struck(Fault(1, What.KILL, "score"), T0, T0 + 1_000)
    found = recovery(struck, {"sns": [(T0 + 5_000, T0 + 900), (T0 + 6_000, T0 + 1_100)], "warehouse": []})
    assert found == Recovery(struck, {"sns": 5.0})
    assert found.until == T0 + 6_000


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 1, 2), (0, 2, 1)])
def test_the_truth_is_what_the_engine_says_of_the_log_repeats_and_late_readings_included(
    order: tuple[int, ...],
) -> None:
    plan = Plan(patients=3, per_gateway=3, name="f", cadence_s=10, breach_every=3)
    gateway = Gateway(plan, 0)
    payloads = [gateway.batch(T0 + 10_000 * k) for k in range(3)]
    values = [encode_vitals(uplink_batch.decode(payload).readings) for payload in payloads]
    log = [
        Record(topics.VITALS, 0, offset, T0 + 10_000 * max(order[: offset + 1]) + 50, b"", values[k])
        for offset, k in enumerate(order)
    ]
    admissions = [
        Admission(
            patient=f"f-p{bed}", version=T0 - 1, name="L", born="1970-01-01", phone="", address="", ward="load",
            bed=f"bed-{bed}", gateway="f-g0", devices=(f"f-d{bed}",), since=T0 - 1, cadence_s=10,
        )
        for bed in range(3)
    ]  # fmt: skip
    found = Truth(3600)
    found.judge(admissions, log)
    assert found.readings == 3 * len(order)
    assert found.low == {"f-p0", "f-p1", "f-p2"}
    # p0 is low in the first two rounds, p2 in the last two, p1 in the first and the last: two in a row page, and a
    # round that comes too late pages nobody.
    paged = {"f-p1"} if order == (0, 2, 1) else {"f-p0", "f-p2"}
    assert {one.patient for one in found.due if one.condition == "spo2"} == paged


def test_a_reading_from_the_future_tells_nothing_of_how_fast_the_path_is() -> None:
    sight = Sight(("gw",))
    for t, gateway in ((T0, "gw"), (T0 + 3_600_000, "gw"), (T0 + 1_000, "other")):
        value = msgspec.json.encode({"t": [t], "gateway": [gateway]})
        sight.take(topics.SCORED, 4, value, T0 + 1_100)
    assert dict(sight.places) == {"scored of gw": [(T0 + 1_100, T0)], "scored in 4": [(T0 + 1_100, T0 + 1_000)]}


def test_a_clock_is_off_by_what_its_file_says_and_right_without_one(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = Moved(file)
    assert abs(clock.time() - time.time()) < 1
    file.write_text("-3600")
    clock.look()
    assert abs(clock.time() - time.time() + 3600) < 1
    assert abs(clock.time_ns() - time.time_ns() + 3600 * 10**9) < 10**9
    file.unlink()
    clock.look()
    assert abs(clock.time() - time.time()) < 1
