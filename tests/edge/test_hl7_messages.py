"""Messages of at least six makes to readings; what must not be taken for a reading is refused with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices import listener
from edge.hl7.observations import RefusedError
from edge.hl7.translate import Translator
from tests.support import hl7_makes as makes
from tests.support.hl7_makes import BASE, message, stamp
from vitals.hl7 import header

BED = listener.parse("hl7://127.0.0.1:6001?device=mon-1&zone=UTC")


def lines(sent: bytes, translator: Translator | None = None, now: int = BASE, at: str = "") -> list[dict[str, Any]]:
    """Readings of a message as JSON, each with its key."""
    where = listener.parse(at) if at else BED
    line = (translator or Translator()).line(1, sent, header.read(sent), where, peer="", now=now)
    return [json.loads(bytes(one.reading)) | {"key": one.key} for one in line.readings]


def values(sent: bytes, **about: Any) -> dict[str, Any]:  # noqa: ANN401 - arguments of `lines`
    """The newest reading, without its key."""
    return {name: value for name, value in lines(sent, **about)[-1].items() if name != "key"}


def oru(*obx: str, head: str = "") -> bytes:
    first = head or rf"MSH|^~\&|M||||{stamp(BASE)}||ORU^R01|1|P|2.6"
    return message(first, f"OBR|1||||||{stamp(BASE)}", *obx)


def test_a_line_is_preferred_to_the_cuff_beside_it_and_other_measurements_are_left_out() -> None:
    assert values(makes.ge()) == {"t": BASE, "hr": 76, "rr": 18, "spo2": 97, "temp": 36.8, "sbp": 121}


def test_minus_100_minus_999_and_an_empty_field_are_no_value_and_fahrenheit_is_converted() -> None:
    assert values(makes.comen()) == {"t": BASE, "hr": 80, "pr": 0, "spo2": 0, "temp": 38, "sbp": 0}


def test_own_codes_of_makes_and_kilopascals_are_known() -> None:
    assert values(makes.philips()) == {"t": BASE, "hr": 71, "spo2": 95, "temp": 37.2, "sbp": 120}
    assert values(makes.edan()) == {"t": BASE, "hr": 68, "spo2": 96, "temp": 36.5, "sbp": 118, "dbp": 74}


def test_a_value_that_the_monitor_marks_as_invalid_is_no_value() -> None:
    assert values(makes.masimo()) == {"t": BASE, "pr": 55, "spo2": 0}
    for status in "XDWNI":
        assert values(oru(f"OBX|1|NM|8867-4^HR^LN||70|/min|||||{status}"))["hr"] == 0


def test_an_old_cuff_is_a_reading_of_its_own_time_and_the_same_one_in_each_message() -> None:
    translator = Translator()
    first = lines(makes.mindray(BASE, "1", cuff=540_000), translator)
    assert [(r["t"], set(r) - {"t", "key"}) for r in first] == [
        (BASE - 540_000, {"sbp", "dbp", "map"}),
        (BASE, {"spo2", "pr", "rr", "temp"}),
    ]
    second = lines(makes.mindray(BASE + 10_000, "2", cuff=550_000), translator)
    assert (second[0]["key"], second[1]["key"] == first[1]["key"]) == (first[0]["key"], False)
    # A new measurement is another one, even with the same values; a little late it is no step back of the clock.
    third = lines(makes.mindray(BASE + 20_000, "3", cuff=15_000), translator)
    assert (third[0]["t"], third[0]["key"] == first[0]["key"]) == (BASE + 10_000, False)


def test_a_message_with_nothing_but_an_old_cuff_keeps_no_monitor_alive() -> None:
    cuff = [one for one in makes.mindray().decode().split("\r") if "OBX" not in one or "PRESS_CUFF" in one]
    later = [one.replace(stamp(BASE), stamp(BASE + 60_000)).replace("|1914|", "|1915|") for one in cuff]
    once, again = (lines("\r".join(part).encode()) for part in (cuff, later))
    assert once == again
    assert len(once) == 1


def test_a_cuff_older_than_a_day_is_left_out() -> None:
    assert [set(r) - {"t", "key"} for r in lines(makes.mindray(cuff=90_000_000))] == [{"spo2", "pr", "rr", "temp"}]


def test_a_repeat_is_known_by_sender_time_control_id_and_body_and_a_restarted_control_id_is_no_repeat() -> None:
    def key(**changes: Any) -> str:  # noqa: ANN401 - arguments of `ge`
        return lines(makes.ge(**changes))[-1]["key"]

    assert key() == key()
    assert len({key(), key(t=BASE + 1000), key(control="18"), key(hr="77")}) == 4


def test_lead_off_alarms_are_off_until_they_end_or_values_come_back_or_five_minutes_pass() -> None:
    translator = Translator()
    assert values(makes.draeger_alarm(), translator=translator) == {"t": BASE, "off": ["hr", "rr"]}
    quiet = oru("OBX|1|NM|8867-4^HR^LN||-100|/min|||||F", "OBX|2|NM|59408-5^S^LN||97|%|||||F")
    assert values(quiet, translator=translator)["off"] == ["hr", "rr"]
    assert "off" not in values(quiet, translator=translator, now=BASE + 300_001)
    assert lines(makes.draeger_alarm(phase="end", state="inactive"), translator) == []
    assert "off" not in values(quiet, translator=translator)
    values(makes.draeger_alarm(), translator=translator)
    back = oru("OBX|1|NM|8867-4^HR^LN||70|/min|||||F")
    assert values(back, translator=translator) == {"t": BASE, "hr": 70, "off": ["rr"]}


def test_an_alarm_in_a_result_message_is_off_and_other_texts_are_not() -> None:
    off = oru("OBX|1|NM|8867-4^HR^LN||70|/min|||||F", "OBX|2|ST|^SpO2 SENSOR OFF||on||||||F")
    assert values(off) == {"t": BASE, "hr": 70, "off": ["pr", "spo2"]}
    for text in ("SpO2 low", "ECG noise", "asystole", "alarm off"):
        assert "off" not in values(oru("OBX|1|NM|8867-4^HR^LN||70|/min|||||F", f"OBX|2|ST|^{text}||on||||||F"))


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (oru("OBX|1|NA|151562^MDC_RESP_RATE^MDC||0^12^25^30||||||F"), "AE", "waveform"),
        (oru("OBX|1|NM|151562^MDC_RESP_RATE^MDC||0.21|mV|||||F"), "AE", "waveform"),
        (oru("OBX|1|NM|151562^MDC_RESP_RATE^MDC||12~14~13|/min|||||F"), "AE", "waveform"),
        (oru(head=rf"MSH|^~\&|M||||{stamp(BASE)}||ORU^W01|1|P|2.6"), "AR", "waveforms"),
        (oru(head=rf"MSH|^~\&|M||||{stamp(BASE)}||ADT^A01|1|P|2.6"), "AR", "ADT"),
        (oru("OBX|1|NM|8867-4^H^LN||70", head=rf"MSH|^~\&|M||||{stamp(BASE)}||ORU^R01|1|T|2.6"), "AR", "training"),
        (oru("OBX|1|NM|8867-4^HR^LN||70|/min||DEMO|||F"), "AE", "demonstration"),
        (oru("OBX|1|NM|150022^MDC_ECG_HEART_RATE^MDC||70|/min|||||F"), "AE", "two signs"),
        (oru("PID|1||a", "PID|2||b", "OBX|1|NM|8867-4^HR^LN||70|/min|||||F"), "AE", "more than one patient"),
        (oru("OBX|1|NM|110^HeartBeat||70|bpm|||||F"), "AE", "110^HeartBeat"),
        (oru(), "AE", "no OBX"),
    ],
)
def test_what_could_be_taken_for_what_it_is_not_is_refused_with_its_reason(sent: bytes, code: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason.replace("^", r"\^")) as refused:
        lines(sent)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("70", 70), ("70.0", 70), (" 70 ", 70), ("70,5", 70.5)],
)
def test_numbers_are_read_as_monitors_write_them(raw: str, expected: float) -> None:
    assert values(oru(f"OBX|1|NM|8867-4^HR^LN||{raw}|/min|||||F"))["hr"] == expected


@pytest.mark.parametrize(
    "raw", ["-1", "", '""', "---", "NaN", "1e3", "\u0667\u0660", "8388607", "7" * 40, ">70", "-?-", "0"]
)
def test_all_else_is_no_value(raw: str) -> None:
    assert values(oru(f"OBX|1|NM|8867-4^HR^LN||{raw}|/min|||||F"))["hr"] == 0


def test_an_unknown_unit_costs_its_sign_alone() -> None:
    sent = oru("OBX|1|NM|8867-4^HR^LN||70|furlong|||||F", "OBX|2|NM|59408-5^S^LN||97|%|||||F")
    assert values(sent) == {"t": BASE, "hr": 0, "spo2": 97}


def test_a_local_time_of_the_hour_that_comes_twice_is_the_one_near_the_arrival() -> None:
    at = "hl7://127.0.0.1:6001?device=mon-1&zone=Europe/Berlin"
    first = 1_792_888_200_000  # 25 October 2026, 00:30 UTC; 02:30 in Berlin, an hour before 02:30 again
    sent = oru("OBX|1|NM|8867-4^HR^LN||70|/min|||||F").replace(stamp(BASE).encode(), b"20261025023000")
    assert [values(sent, now=now, at=at)["t"] for now in (first, first + 3_600_000)] == [first, first + 3_600_000]


def test_the_device_is_what_the_url_says_and_never_the_patient() -> None:
    for device, mode in (("080019FFFE0B4020", "msh-3"), ("ICU-BED-4", "pv1-3"), ("cn-7", "certificate")):
        files = tuple(BED.files)
        where = listener.Listener("", "", 1, "", listener.Naming(mode), files, None, True)
        sent = makes.ge()
        assert Translator().line(1, sent, header.read(sent), where, peer="cn-7", now=BASE).device == device


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(makes.MAKES), st.data())
def test_a_mutated_message_is_a_reading_within_bounds_or_a_refusal(make: Any, data: st.DataObject) -> None:  # noqa: ANN401 - a make
    raw = bytearray(make())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = lines(bytes(raw))
    except (RefusedError, header.HeaderError):
        return
    assert all(r["t"] > 0 and len(r["key"]) == 16 for r in found)
