"""Bounds: what a name, a time and a limit may be, and that nothing else than a reason comes of the rest."""

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from tests.vitals.ward import Ward
from vitals import bounds, engine
from vitals.admissions import Admission, DeviceAssignment
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority
from vitals.bounds import MAX_CADENCE_S, MAX_CUFF_S, MAX_T, BoundError
from vitals.limits import Limit, from_wire
from vitals.signs import FIELDS, Suspect
from vitals.status import Health, Status
from vitals.wire import device_reading
from vitals.wire.vitals_record import WireError


def admission(**changes: object) -> Admission:
    fields: dict[str, Any] = {
        "patient": "p1", "version": 1, "name": "Ada", "born": "1958-03-21", "phone": "1", "address": "x", "ward": "w",
        "bed": "b1", "gateway": "g1", "devices": ("d1",), "since": T0,
    }  # fmt: skip
    return Admission(**(fields | changes))


@pytest.mark.parametrize(
    "good", ["p-1", "mon:icu_01", "bed (2)", "A&E", "Süd-1", "Łódź-OIT", "ОРИТ-2", "内科3", "हिन्दी", "a" * 128]
)
def test_what_hospitals_call_things_is_a_name(good: str) -> None:
    assert bounds.is_name(good)
    assert msgspec.convert(good, bounds.Id) == good


@pytest.mark.parametrize(
    "bad",
    [
        "", " a", "a ", "a\n", "a\x00b", "a/b", "#", "+", "*", "x' OR 1=1 --", "x\\", '"', "a" * 129, "\ud800",
        # Pasted: zero width, another hyphen, a soft one, a Cyrillic letter, non-breaking, right to left, apart.
        "mon-1\u200b", "mon\u20111", "gw\u00ad1", "mon-\u0456", "a\u00a0b", "\u202ea", "Su\u0308d", "\ufeffa",
    ],
)  # fmt: skip
def test_a_name_that_deceives_or_divides_is_none(bad: str) -> None:
    assert not bounds.is_name(bad)
    with pytest.raises((msgspec.ValidationError, UnicodeEncodeError)):
        msgspec.json.decode(msgspec.json.encode(bad), type=bounds.Id)


def test_a_person_may_write_a_name_decomposed_or_with_spaces_around_it() -> None:
    assert bounds.name("  Su\u0308d-1 ", "bed") == "Süd-1"
    with pytest.raises(BoundError, match=r"bed 'mon\\u20111' must be 1 to 128 letters"):
        bounds.name("mon\u20111", "bed")


def test_free_text_is_one_line_without_what_steers_a_terminal() -> None:
    assert bounds.clean(" Ada\n\x1b[2J  Brandt\u202e\u200b ") == "Ada [2J Brandt"
    assert bounds.clean("Zoë 山田 👩‍⚕️") == "Zoë 山田 👩‍⚕️"


@pytest.mark.parametrize("cadence_s", [0.0, 0.05, 3_600.1, 3_000_000.0, 441_632_960_001.0, math.inf, math.nan, -1.0])
def test_a_cadence_that_no_monitor_has_is_refused_where_it_is_built_and_where_it_is_read(cadence_s: float) -> None:
    with pytest.raises(ValueError, match="cadence_s"):
        admission(cadence_s=cadence_s)
    with pytest.raises(ValueError, match="cadence_s"):
        placement(cadence_s=cadence_s)
    raw = msgspec.json.encode(admission(cadence_s=1.5)).replace(b"1.5", json.dumps(cadence_s).encode())
    with pytest.raises(BoundError):
        bounds.decoded(raw, Admission)


@pytest.mark.parametrize("cuff_s", [-1.0, 9.0, 86_401.0, 2.2e6, math.inf, math.nan])
def test_a_cuff_interval_that_no_cuff_has_is_refused(cuff_s: float) -> None:
    with pytest.raises(ValueError, match="cuff_s"):
        admission(cuff_s=cuff_s)


def test_the_largest_of_everything_is_held_by_the_engine_and_its_snapshot() -> None:
    slow = placement(cadence_s=MAX_CADENCE_S, cuff_s=MAX_CUFF_S, since=MAX_T)
    state, _ = engine.place(engine.empty(), [slow], T0)
    row = columns([One(MAX_T, {**WELL, "hr": 1e6})])
    state, _ = engine.advance(state, row, MAX_T)
    for n in (1, 9, 40):
        several = columns([One(MAX_T - n + i, WELL, seq=i) for i in range(n)])
        state, _ = engine.advance(state, several, MAX_T)
    assert engine.snapshot(engine.restore(engine.snapshot(state))) == engine.snapshot(state)


@pytest.mark.parametrize("t", [MAX_T + 1, 4_102_444_800_000, 7_258_118_400_000, 253_402_300_799_000, 1])
@pytest.mark.parametrize("n", [1, 9, 40])
def test_a_record_of_before_there_were_bounds_ends_no_engine(t: int, n: int) -> None:
    rows = columns([One(t + i, {**WELL, "hr": 150}, seq=i) for i in range(n)])
    for now in (T0, t + n):
        state, _ = engine.place(engine.empty(), [placement()], now)
        state, _ = engine.advance(state, rows, now)
        assert engine.snapshot(state)


@pytest.mark.parametrize("bound", [10**309, -(10**309), 1e308, 2e6, math.inf, "72", [], True and "x"])
def test_a_limit_that_no_sign_reaches_is_refused_with_its_reason(bound: object) -> None:
    with pytest.raises(ValueError, match="limits"):
        from_wire({"profile": "adult", "hr": [None, None, None, bound, 10]})


def test_limits_out_of_bounds_are_refused_where_they_are_built() -> None:
    for wrong in ({"high": 1e7}, {"high": math.nan}, {"delay_s": math.inf}, {"delay_s": 3_601}):
        with pytest.raises(ValueError, match=r"limits must|condition delay"):
            Limit(**wrong)


@pytest.mark.parametrize("start", ["²", "١٢٣", "99999999999999999999", "-1", "", "1e3", "9" * 4999, f"{MAX_T + 1}"])
def test_a_gateways_own_alarm_with_a_begin_that_is_no_time_tells_nothing(start: str) -> None:
    status = Status(id="g", kind="gateway", health=Health.UP, t=T0, alarms=(f"g.outbox-trimmed.{start}",))
    _, events = engine.report(engine.empty(), status, T0, own=True)
    assert events == ()


@pytest.mark.parametrize("field", [b'"t":18446744073709551616', b'"t":0', b'"t":3723753600001', b'"t":1,"backlog":-1'])
def test_a_status_with_a_number_beyond_bounds_is_refused(field: bytes) -> None:
    raw = b'{"id":"g","kind":"gateway","health":"up",' + field + b"}"
    with pytest.raises(BoundError, match="Expected `int`"):
        bounds.decoded(raw, Status)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"\xff", b"1" * 5000, b'"\\ud800"', b"", b"NaN", b'{"id":' * 1000])
def test_whatever_bytes_come_the_answer_is_a_reason(raw: bytes) -> None:
    for kind in (Status, Admission, DeviceAssignment, Limit, dict):
        with pytest.raises(BoundError, match=r"."):
            bounds.decoded(raw, kind)


def test_what_does_not_read_back_is_not_written() -> None:
    told = AlarmEvent(
        id="p1.hr.5", n=0, subject="p1", condition="hr", kind=Kind.PHYSIOLOGICAL, priority=Priority.HIGH,
        phase=Phase.START, state=AlarmState.ACTIVE, start=5, t=6, log_t=7, text="HR 30 /min", value=30.0,
    )  # fmt: skip
    assert bounds.decoded(bounds.encoded(told), AlarmEvent) == told
    # JSON has no infinity: it would be read as no value at all.
    with pytest.raises(BoundError, match="cannot be written"):
        bounds.encoded(msgspec.structs.replace(told, value=math.inf))
    for wrong in ({"version": 2**64}, {"name": "\ud800"}, {"version": 10**400}, {"since": 0}, {"version": -1}):
        with pytest.raises(BoundError):
            bounds.encoded(admission(**wrong))


@pytest.mark.parametrize("raw", ["²", "1²", "٣", "+1", "1_0", " 1", "", "9007199254740992", "1" * 5000])
def test_digits_are_the_ten_that_a_number_is_written_with(raw: str) -> None:
    assert bounds.digits(raw) is None


def test_digits_up_to_the_bound_are_a_number() -> None:
    assert (bounds.digits("007"), bounds.digits("9007199254740991"), bounds.digits("12", most=11)) == (
        7,
        2**53 - 1,
        None,
    )


GOOD = '"boot":1,"seq":2,"t":3,"spo2":80'


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", '"36.8"', "1e400", "9" * 400, "-1000001", "[]", "true", "{}"]
)
@pytest.mark.parametrize("order", ["{%s,%s}", "{%.0s%s,%s}"])
def test_one_bad_value_costs_that_sign_alone(value: str, order: str) -> None:
    pair = f'"temp":{value}'
    raw = (f"{{{pair},{GOOD}}}" if order.startswith("{%.0s") else f"{{{GOOD},{pair}}}").encode()
    frame = device_reading.decode(raw)
    read = dict(zip(FIELDS, frame.values, strict=True))
    assert (read["spo2"], read["temp"], read["hr"]) == (80, device_reading.NO_VALUE, None)
    assert (frame.boot, frame.seq, frame.t) == (1, 2, 3)


def test_an_absent_value_and_a_sensor_nobody_knows_cost_nothing() -> None:
    frame = device_reading.decode(f'{{{GOOD},"temp":null,"off":["hr","glucose"],"note":"x"}}'.encode())
    assert frame.off == {"hr"}
    assert device_reading.decode(b'{"boot":1,"seq":2,"t":3}').values == (None,) * len(FIELDS)
    assert device_reading.decode(b'{"boot":1,"seq":2,"t":3,"hr":null,"battery":80}').values == (None,) * len(FIELDS)


def test_of_two_equal_keys_the_last_counts_on_both_ways() -> None:
    for extra in ("", ',"temp":NaN'):
        frame = device_reading.decode(f'{{"boot":1,"seq":2,"t":3,"hr":70,"seq":4,"hr":71{extra}}}'.encode())
        assert (frame.seq, frame.values[0]) == (4, 71)


@pytest.mark.parametrize("name", ["boot", "seq", "t"])
@pytest.mark.parametrize("value", ["NaN", "null", '"1"', "1.0", "-1", "true", "18446744073709551616", "9" * 4000, "[]"])
def test_identity_and_time_alone_refuse_a_reading(name: str, value: str) -> None:
    fields = {"boot": "1", "seq": "2", "t": "3", "hr": "72", "temp": "NaN", name: value}
    raw = "{" + ",".join(f'"{key}":{one}' for key, one in fields.items()) + "}"
    with pytest.raises(WireError, match=rf"{name} (is no whole number|.* is out of range)"):
        device_reading.decode(raw.encode())


def test_a_reading_in_another_spelling_is_refused_and_told_what_is_known() -> None:
    with pytest.raises(WireError, match="no known sign: it has 'HR', 'SPO2'; known are hr, pr, rr, spo2"):
        device_reading.decode(b'{"boot":13,"seq":1,"t":3,"HR":130,"SPO2":70}')


@pytest.mark.parametrize(
    ("sign", "value"), [("spo2", -999), ("spo2", 127), ("spo2", 255), ("hr", 65_535), ("rr", 255), ("temp", 0.1)]
)
def test_what_no_patient_can_have_never_begins_an_alarm_by_repetition(sign: str, value: float) -> None:
    ward = Ward()
    ward.live(10)
    events = ward.live(600, {sign: value}, {sign: Suspect.IMPLAUSIBLE})
    assert [e.condition for e in events if e.phase is Phase.START] == []


def test_codes_for_no_value_on_pulse_and_saturation_are_vital_signs_lost() -> None:
    ward = Ward()
    ward.live(10)
    wrong = dict.fromkeys(("hr", "pr", "spo2"), -999)
    no_line = dict.fromkeys(("sbp", "dbp", "map"))
    events = ward.live(30, wrong | no_line, dict.fromkeys(wrong, Suspect.IMPLAUSIBLE))
    assert [e.condition for e in events if e.phase is Phase.START] == ["vital-signs-lost"]


def test_a_code_for_no_value_while_its_own_alarm_is_active_is_told_and_keeps_that_alarm() -> None:
    ward = Ward()
    ward.watched = True
    ward.live(60, {"spo2": 80})
    events = ward.live(90, {"spo2": 127}, {"spo2": Suspect.IMPLAUSIBLE})
    assert ("oximeter-not-measured", Priority.MEDIUM) in [(e.condition, e.priority) for e in events]
    assert "spo2" in ward.active()


def test_what_is_implausible_is_judged_alike_alone_and_among_many() -> None:
    rows = [
        One(T0 + 1000 * (i // 12), {**WELL, "spo2": -999}, {"spo2": Suspect.IMPLAUSIBLE}, f"p{i % 12}", seq=i)
        for i in range(360)
    ]
    told = []
    for size in (1, 12, 360):
        state, events = engine.empty(), []
        for first in range(0, len(rows), size):
            part = columns(rows[first : first + size])
            state, some = engine.advance(state, part, int(part.t.max()))
            events += some
        told.append(sorted((e.id, e.n) for e in events))
        assert np.isfinite(state.times).all()
    assert told[0] == told[1] == told[2] == []
