"""Situations from public reports, through the gateway and the engines above it: each is told or judged in its time."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vitals import engine
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.engine.rules.technical_alarms import HIERARCHY
from vitals.readings import empty

Rig = Callable[..., Any]
HOUR_MS = 3_600_000
ROOT = Path(__file__).resolve().parents[2]
WELL = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97}


class Above:
    """What the cloud makes of a gateway: the lane's engine and the equipment's."""

    def __init__(self, gw: Any, placement: dict[str, Any]) -> None:  # noqa: ANN401 - the rig's gateway
        self.gw, self.events = gw, list[AlarmEvent]()
        self.lane, self.equipment = engine.empty(), engine.empty()
        self.batches = self.statuses = 0
        for state in (self.lane, self.equipment):
            engine.place(state, [DeviceAssignment(**placement)], gw.clock.now, "gw-1")

    def turn(self, seconds: float) -> None:
        self.gw.turn(seconds)
        now = self.gw.clock.now
        sent, said = self.gw.sent()[self.batches :], self.gw.statuses()[self.statuses :]
        self.batches, self.statuses = self.batches + len(sent), self.statuses + len(said)
        for batch in sent:
            self.events += engine.advance(self.lane, batch.readings, now)[1]
        self.events += engine.advance(self.lane, empty(), now)[1]
        engine.advance(self.equipment, empty(), now)
        for status in said:
            engine.report(self.lane, status, now)
            told = engine.report(self.equipment, status, now, own=True)[1]
            self.events += [event for event in told if event.condition in HIERARCHY]

    def started(self) -> Counter[str]:
        return Counter(event.condition for event in self.events if event.phase is Phase.START)


def begin(rig: Rig, make: SimpleNamespace, **changes: object) -> Above:
    placement = make.placement(**changes)
    return Above(rig(roster=make.roster(placement), uplink_flush_s=1.0), placement)


def test_r19_field_names_in_another_spelling_are_told_within_the_time_of_a_silent_device(
    rig: Rig, make: SimpleNamespace
) -> None:
    above = begin(rig, make)
    for k in range(20):
        above.gw.device(k, HR=130, SPO2=70)
        above.turn(1)
    assert above.started() == {"device-silent": 1}
    assert "no known sign" in dict(above.gw.above.published)["rejected"].decode()


def test_r26_an_admission_from_the_future_keeps_no_breach_from_bed_and_cloud(rig: Rig, make: SimpleNamespace) -> None:
    above = begin(rig, make, since=make.NOW + 2 * HOUR_MS)
    for k in range(20):
        above.gw.device(k, **WELL | {"spo2": 70})
        above.turn(1)
    assert above.started()["spo2"] == 1
    assert "spo2" in {alarm["condition"] for alarm in above.gw.bedside.shown["W-1"]["alarms"]}


@pytest.mark.parametrize("every_s", [4, 5, 12, 20])
def test_r35_a_monitor_that_is_slower_than_its_roster_is_one_alarm_and_ends_with_the_admission_that_says_so(
    rig: Rig, make: SimpleNamespace, every_s: int
) -> None:
    above = begin(rig, make, cadence_s=1.0)
    for k in range(200):
        if k % every_s == 0:
            above.gw.device(k, **WELL)
        above.turn(1)
    started = above.started()
    assert started["device-slow"] == 1
    # The first gaps are those of a device that has fallen silent.
    assert started.total() - started["device-silent"] == 1
    assert started["device-silent"] <= 1
    (event,) = [e for e in above.events if e.condition == "device-slow"]
    assert f"sends every {every_s} s" in event.text
    assert (event.priority, event.ward) == (Priority.MEDIUM, "W")
    above.gw.down("roster", make.roster(make.placement(cadence_s=float(every_s)), version=2))
    above.turn(3)
    above.turn(3)
    assert [e.phase for e in above.events if e.condition == "device-slow"] == [Phase.START, Phase.END]


def test_r35_a_slow_monitor_that_falls_silent_is_told_by_the_time_that_a_patient_may_be_unheard(
    rig: Rig, make: SimpleNamespace
) -> None:
    above = begin(rig, make, cadence_s=1.0)
    for k in range(300):
        if k % 20 == 0:
            above.gw.device(k, **WELL)
        above.turn(1)
    silent = [e.log_t for e in above.events if e.condition == "device-silent"]
    last = above.gw.clock.now - 20_000
    for _ in range(100):
        above.turn(1)
    told = [e.log_t for e in above.events if e.condition in {"device-silent", "not-judged"}][len(silent) :]
    assert told[0] - last <= 100_000


def test_one_outage_is_no_pace_and_costs_no_later_silence_its_time(rig: Rig, make: SimpleNamespace) -> None:
    above = begin(rig, make, cadence_s=1.0)
    for k in range(200):
        if not 40 <= k < 100:
            above.gw.device(k, **WELL)
        above.turn(1)
    assert above.started() == {"device-silent": 1}
    gone = above.gw.clock.now
    for _ in range(20):
        above.turn(1)
    assert above.started() == {"device-silent": 2}
    assert [e.log_t for e in above.events if e.phase is Phase.START][-1] - gone <= 7_000


def test_r58_null_a_trailing_newline_unknown_fields_and_latin_1_cost_no_reading(
    rig: Rig, make: SimpleNamespace
) -> None:
    above = begin(rig, make)
    for k in range(20):
        text = (
            f'{{"boot":7,"seq":{k},"t":{above.gw.clock.now},"temp":null,"hr":70,"maker":"Süd","spo2":99,"spo2":70}}\n'
        )
        above.gw.raw(text.encode("latin-1"))
        above.turn(1)
    assert above.started()["spo2"] == 1
    assert above.gw.metric("edge_rejected_messages_total", kind="not-a-frame") == 0


SEEN_ELSEWHERE = {
    "R01": "tests/vitals/test_engine_edges.py::test_nothing_is_due_before_there_is_a_log_time",
    "R02": "tests/vitals/test_bounds.py::"
    "test_a_cadence_that_no_monitor_has_is_refused_where_it_is_built_and_where_it_is_read",
    "R04": "tests/edge/test_bridge_time.py::test_the_bridges_clock_rights_new_readings_and_leaves_sealed_ones_alone",
    "R08": "tests/edge/test_devices.py::"
    "test_a_device_that_starts_anew_for_each_reading_and_has_no_clock_is_judged_by_arrival",
    "R09": "tests/cloud/test_watch_sight.py::test_what_comes_after_readings_of_a_clock_that_was_ahead_is_shown",
    "R15": "tests/edge/test_any_input.py::test_a_code_for_no_finger_is_no_saturation",
    "R20": "tests/edge/test_any_input.py::test_one_bad_probe_hides_no_other_sign",
    "R22": "tests/edge/test_devices.py::test_what_a_monitor_kept_for_days_keeps_its_dates_and_lights_nothing",
    "R24": "tests/edge/test_devices.py::"
    "test_two_devices_under_one_name_are_told_at_once_with_the_name_here_and_in_the_cloud",
    "R27": "tests/cloud/test_admit.py::test_limits_follow_the_age_unless_the_row_says_otherwise",
    "R29": "tests/cloud/test_admit.py::test_a_newborn_of_tomorrow_is_admitted_where_it_is_tomorrow_already",
    "R31": "tests/console/test_admission_view.py::"
    "test_an_unknown_patient_is_admitted_with_the_bed_alone_and_named_later",
    "R33": "tests/cloud/test_roster_plan.py::test_a_file_never_undoes_what_a_person_set_at_the_bed",
    "R42": "tests/vitals/test_bounds.py::test_a_name_that_deceives_or_divides_is_none",
    "R50": "tests/firmware_sim/test_wfdb_replay.py::test_a_breaths_waveform_is_no_breath_rate",
    "R55": "tests/edge/test_devices.py::"
    "test_what_a_monitor_kept_pages_nobody_in_the_cloud_and_a_breach_that_is_live_does",
    "R56": "tests/cloud/test_admit.py::"
    "test_a_roster_as_a_spreadsheet_writes_it_is_read_and_one_with_semicolons_is_told",
}
"""Situations that have their test where what mends them is."""


@pytest.mark.parametrize("case", SEEN_ELSEWHERE)
def test_a_situation_that_is_seen_elsewhere_is_seen_there(case: str) -> None:
    file, _, name = SEEN_ELSEWHERE[case].partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
