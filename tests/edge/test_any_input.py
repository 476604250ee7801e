"""Whatever a device or the cloud sends, the gateway goes on, and the signs that are right are judged."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.ingest import decode
from edge.ingest.decode import Ingest
from edge.ingest.dedup import SeenSequences
from edge.ingest.roster import no_assignments
from vitals.bounds import MAX_T
from vitals.signs import INDEX, SIGNS, Suspect

Rig = Callable[..., Any]


def conditions(gw: Any, bed: str = "W-1") -> list[str]:  # noqa: ANN401 - the rig's running gateway
    return [alarm["condition"] for alarm in gw.bedside.shown[bed]["alarms"]]


def seconds(gw: Any, count: int, start: int = 0, **signs: object) -> None:  # noqa: ANN401 - as above
    for seq in range(start, start + count):
        fields = {"boot": 7, "seq": seq, "t": gw.clock.now, **signs}
        gw.raw(json.dumps(fields).encode())
        gw.turn(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"cadence_s": 3_000_000}, {"cadence_s": 441_632_960_001}, {"cuff_s": 1e308}, {"cadence_s": 0},
        {"since": 2**64}, {"bed": "a/b"}, {"device": "mon-1\u200b"},
        {"overrides": {"hr": {"high": 1e300}}}, {"overrides": {"hr": {"delay_s": 1e9}}}, {"profile": "none"},
    ],
)  # fmt: skip
def test_a_roster_out_of_bounds_is_counted_and_the_one_in_force_stays(
    rig: Rig, make: SimpleNamespace, changes: dict[str, Any]
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    gw.down("roster", make.roster(make.placement(**changes), version=2))
    seconds(gw, 20, hr=72, spo2=80)
    assert gw.metric("wardwatch_edge_invalid_downlinks_total", name="roster") == 1
    assert conditions(gw) == ["spo2"]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("roster", b"[" * 100_000),
        ("actions", b'{"id":"a","act":"acknowledge","patient":"p","t":99999999999999999999,"by":"b","alarm":"x"}'),
        ("actions", b"\xff" * 9),
        ("confirmed", b'{"outbox":"o","ranges":[[0,1]]}'),
        ("confirmed", b'{"outbox":"o","ranges":[[1,' + b"9" * 400 + b"]]}"),
        ("heartbeat", b'{"t":' + b"9" * 400 + b"}"),
        ("heartbeat", b'{"t":NaN}'),
    ],
)
def test_a_message_from_above_out_of_bounds_is_counted_and_stops_nothing(rig: Rig, name: str, payload: bytes) -> None:
    gw = rig()
    gw.down(name, payload)
    gw.turn(1)
    assert gw.metric("wardwatch_edge_invalid_downlinks_total", name=name) == 1
    gw.device(1, hr=72)
    gw.turn(2)
    assert gw.acked == [1]


@pytest.mark.parametrize("temp", ["NaN", "Infinity", '"36.8"', "1e999", "-999", "65535", "null"])
def test_one_bad_probe_hides_no_other_sign(rig: Rig, make: SimpleNamespace, temp: str) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(30):
        gw.raw(f'{{"boot":7,"seq":{seq},"t":{gw.clock.now},"hr":72,"spo2":80,"temp":{temp}}}'.encode())
        gw.turn(1)
    assert conditions(gw) == ["spo2"]
    assert gw.statuses()[-1].rejected == 0
    assert gw.statuses()[-1].devices[0].health == "up"


@pytest.mark.parametrize("code", [-999, 127, 255, 65_535])
def test_a_code_for_no_finger_is_no_saturation(rig: Rig, make: SimpleNamespace, code: int) -> None:
    gw = rig(roster=make.roster(make.placement()))
    seconds(gw, 10, hr=72, rr=15, spo2=97)
    seconds(gw, 60, 10, hr=72, rr=15, spo2=code)
    assert conditions(gw) == []
    gw.turn(5)
    # What the monitor said is kept as it said it.
    assert code in gw.readings().values[:, INDEX["spo2"]]


def test_a_reading_in_another_spelling_is_refused_and_says_what_it_lacks(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()))
    seconds(gw, 5, HR=130, SPO2=70)
    assert gw.metric("wardwatch_edge_rejected_messages_total", kind="unknown-sign") == 5
    assert b"no known sign: it has 'HR', 'SPO2'" in dict(gw.above.published)["rejected"]


@pytest.mark.parametrize("device", ["mon-1\u200b", "a b ", "mon-\u0456", "x" * 129, "x'--"])
def test_a_device_whose_name_deceives_is_refused(rig: Rig, device: str) -> None:
    gw = rig()
    gw.raw(b'{"boot":1,"seq":1,"t":1763812800000,"hr":70}', device=device)
    gw.turn(1)
    assert gw.metric("wardwatch_edge_rejected_messages_total", kind="bad-device-id") == 1


def test_a_clock_that_was_in_the_year_9999_leads_to_no_time_that_nobody_can_hold(make: SimpleNamespace) -> None:
    taking = Ingest("gw-1", SeenSequences())
    clocks = [(2, 253_402_300_799_000), (1, 1), (3, make.NOW), (4, 5), (6, 253_402_300_799_000), (5, make.NOW)]
    heard = [decode.decode_message(make.delivery(make.frame(seq, t=t, hr=70), t_gw=make.NOW)) for seq, t in clocks]
    readings = taking.take(heard, no_assignments("gw-1")).readings
    assert len(readings) == len(clocks)
    assert readings.t.min() > 0
    assert readings.t.max() <= MAX_T


def test_an_impossible_pressure_or_pulse_costs_its_own_sign_alone() -> None:
    from edge.ingest import artefact_filter as artefacts  # noqa: PLC0415 - beside its use

    values = np.full((1, len(SIGNS)), np.nan)
    signs = {"hr": 72, "pr": 65_535, "spo2": 97, "rr": 15, "sbp": -999, "dbp": 70, "map": 85}
    for sign, value in signs.items():
        values[0, INDEX[sign]] = value
    fresh = np.full((1, artefacts.COLUMNS, len(SIGNS)), np.nan)
    _, codes, _ = artefacts.clean(fresh, np.array([1]), values, np.zeros(values.shape, dtype=bool), np.array([0]))
    marked = {sign.field: Suspect(codes[0, i]) for i, sign in enumerate(SIGNS) if codes[0, i]}
    assert marked == {"pr": Suspect.IMPLAUSIBLE, "sbp": Suspect.IMPLAUSIBLE}
