"""Whatever stands in the log, watch and notify live through it, also after a restart, and say what they passed over."""

import csv
import io
import json

import msgspec
import pytest

from cloud import ack_links
from cloud.admissions import actions, admission_rows, rota_rows
from cloud.admissions.csv_reader import moment, number
from cloud.alarm import partition_engine as slices
from cloud.cli import tail
from cloud.console.live.topic_cache import TopicCache
from cloud.kafka.port import Record
from cloud.notify.delivery.notification_log import own_ids
from cloud.notify.messages import templates
from cloud.notify.routing.on_call import OnCall
from cloud.notify.routing.self_alarms import SelfAlarms
from tests.cloud.conftest import MakeEvent
from tests.cloud.station import Station
from tests.cloud.test_notify_outage import MakeContact
from tests.cloud.test_watch_loop import T0, Ward, desaturate, starts, ward
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, decode
from vitals.status import Health, Rejected, Status
from vitals.wire import topics

__all__ = ["ward"]
GATEWAY = {"id": "gw-icu", "kind": "gateway", "health": "up", "t": T0}
POISON = [
    (topics.STATUS, GATEWAY | {"alarms": ["gw-icu.outbox-trimmed.²"]}, False),
    (topics.STATUS, GATEWAY | {"t": 2**64}, True),
    (topics.STATUS, GATEWAY | {"devices": [{"device": "d", "health": "up", "t": 10**400}]}, True),
    (topics.STATUS, GATEWAY | {"alarms": ["gw-icu.outbox-trimmed.99999999999999999999"]}, False),
    (topics.PATIENTS, {"cadence_s": 3_000_000}, True),
    (topics.PATIENTS, {"cadence_s": 441_632_960_001}, True),
    (topics.PATIENTS, {"cadence_s": None}, True),
    (topics.PATIENTS, {"cuff_s": 1e300}, True),
    (topics.PATIENTS, {"version": 2**64}, True),
    (topics.PATIENTS, {"overrides": {"hr": {"high": 1e300}}}, True),
    (topics.ACTIONS, {"id": "a", "act": "chart", "patient": "p-1", "t": 2**63, "by": "x", "consciousness": "V"}, True),
    (topics.ACTIONS, {"id": "a", "act": "chart", "patient": "p-1", "t": 4_102_444_800_000, "by": "x"}, True),
]


@pytest.mark.parametrize(("topic", "value", "refused"), POISON)
def test_a_record_out_of_bounds_ends_no_shard_now_or_at_a_restart(
    ward: Ward, topic: str, value: dict[str, object], refused: bool
) -> None:
    if topic == topics.PATIENTS:
        value = msgspec.to_builtins(ward.admission("p-9", "icu-09")) | value
    partition = 0 if topic == topics.STATUS else ward.layout.partition("p-1")
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    ward.log.append((topic, partition), b"x", json.dumps(value).encode())
    for _ in range(2):
        loop = ward.shard()
        desaturate(ward)
        loop.step(0)
        loop.save()
    assert ("p-1", "spo2") in starts(ward.alarms())
    told = [msgspec.json.decode(r.value or b"", type=Rejected) for r in ward.log.records(topics.REJECTED)]
    assert bool(told) == refused
    assert all(one.reason and one.topic.startswith(topic) for one in told)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"\xff", b"", b"NaN", b'{"t":' + b"9" * 5000 + b"}"])
@pytest.mark.parametrize("topic", [topics.STATUS, topics.PATIENTS, topics.ACTIONS, topics.SCORED])
def test_any_bytes_in_the_log_are_put_aside(ward: Ward, topic: str, raw: bytes) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    ward.log.append((topic, 0), b"x", raw)
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    assert ("p-1", "spo2") in starts(ward.alarms())
    assert ward.log.records(topics.REJECTED)


def test_an_error_that_nobody_foresaw_costs_its_record_alone(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    real = slices.engine.act

    def fails(state: object, action: Action, now: int) -> object:
        if action.id == "poison":
            raise ZeroDivisionError("nobody thought of it")
        return real(state, action, now)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(slices.engine, "act", fails)
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    poison = Action(id="poison", act=Act.CHART, patient="p-1", t=T0, by="x", oxygen=True)
    ward.write(topics.ACTIONS, "p-1", poison)
    for _ in range(2):
        loop = ward.shard()
        desaturate(ward)
        loop.step(0)
    assert ("p-1", "spo2") in starts(ward.alarms())
    told = [msgspec.json.decode(r.value or b"", type=Rejected) for r in ward.log.records(topics.REJECTED)]
    assert told[0].reason == "cannot be applied: ZeroDivisionError: nobody thought of it"
    assert msgspec.json.decode(told[0].payload, type=Action) == poison


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"\xff", b"{}", b"NaN", b'{"id":' * 1000])
@pytest.mark.parametrize(
    "topic", [topics.STATUS, topics.PATIENTS, topics.CONTACTS, topics.NOTIFICATIONS, topics.ALARMS]
)
def test_any_bytes_in_the_log_stop_no_notifier(
    station: Station, event: MakeEvent, contact: MakeContact, topic: str, raw: bytes
) -> None:
    station.duty(contact("nurse"))
    for key in (b"x", b"notifier"):
        station.log.append((topic, 0), key, raw)
    notifier = station.start()
    station.log.append((topic, 0), b"x", raw)
    station.alarm(event())
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["nurse"]
    # What the alarm engine reads too, it puts aside; of each of the three rotas this is the only reader.
    put_aside = station.log.records(topics.REJECTED)
    assert len(put_aside) == (3 if topic == topics.CONTACTS else 0)


def test_an_alarm_at_which_the_notifier_raises_is_told_of_as_not_notified(
    station: Station, event: MakeEvent, contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnCall.resolve

    def raises(self: OnCall, alarm: AlarmEvent, now: int) -> object:
        if alarm.patient == "p-9":
            raise ZeroDivisionError("nobody thought of it")
        return real(self, alarm, now)

    monkeypatch.setattr(OnCall, "resolve", raises)
    station.duty(contact("nurse"))
    notifier = station.start()
    station.alarm(event(id="p-9.spo2.1", subject="p-9", patient="p-9"))
    station.alarm(event())
    station.settle(notifier)
    for _ in range(2):
        station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["nurse", "nurse"]
    (refused,) = station.log.records(topics.REJECTED)
    assert b"ZeroDivisionError" in (refused.value or b"")
    told = [decode(r.value or b"") for r in station.log.records(topics.ALARMS)]
    assert [(e.condition, e.ward) for e in told if e.condition == "not-notified"] == [("not-notified", "icu")]


def test_a_message_that_cannot_be_composed_is_sent_with_its_number(
    station: Station, event: MakeEvent, contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(templates, "email", raises)
    station.duty(contact("nurse"))
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    ((name, sms),) = station.phones.got
    assert name == "nurse"
    assert ack_links.number(event().id) in sms


@pytest.mark.parametrize("alarm", ["x", "icu.rota-empty.²", "icu.rota-empty.99999999999999999999", ".rota-empty.5", ""])
def test_an_alarm_of_an_earlier_run_without_a_time_is_passed_over(alarm: str) -> None:
    own = SelfAlarms()
    own.restore((alarm, f"icu.rota-empty.{T0}"))
    assert own.ids == (f"icu.rota-empty.{T0}",)


def test_a_gateway_that_calls_itself_notifier_speaks_for_no_notifier() -> None:
    status = Status(id="notifier", kind="gateway", health=Health.UP, t=T0, alarms=("a.b.5",))
    record = Record(topics.STATUS, 0, 0, T0, b"notifier", msgspec.json.encode(status))
    assert own_ids([record]) == ()


def test_the_page_passes_over_what_it_cannot_read() -> None:
    people = TopicCache()
    for topic in (topics.PATIENTS, topics.CONTACTS, topics.ALARMS, topics.NOTIFICATIONS, topics.ACTIONS):
        for raw in (b"[" * 100_000, b"\xff", b"{}", b'{"version":' + b"9" * 400 + b"}"):
            assert people.take(Record(topic, 0, 0, T0, b"x", raw))


ROSTER = "patient,name,born,phone,address,ward,bed,gateway,devices,cadence_s,cuff_s,overrides,since"
ROW = {
    "patient": "p-1", "name": "Ada Brandt", "born": "1958-03-21", "phone": "+44 1632 960123", "address": "1 Elm Road",
    "ward": "icu", "bed": "icu-01", "gateway": "gw-icu", "devices": "mon-1", "cadence_s": "", "cuff_s": "",
    "overrides": "", "since": "",
}  # fmt: skip


def roster_of(**cells: str) -> tuple[list[Admission], tuple[str, ...]]:
    file = io.StringIO()
    writer = csv.DictWriter(file, ROSTER.split(","))
    writer.writeheader()
    writer.writerow(ROW | cells)
    table = admission_rows.parse(io.StringIO(file.getvalue(), newline=""), T0)
    return [admission for _, admission in table.rows], table.errors


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"cadence_s": "441632960001"}, "cadence_s 4.41633e+11 is not from 0.1 to 3600 s"),
        ({"cadence_s": "3000000"}, "cadence_s 3e+06 is not from"),
        ({"cadence_s": "inf"}, "cadence_s 'inf' is not a finite number"),
        ({"cadence_s": "nan"}, "is not a finite number"),
        ({"cadence_s": "1" * 400}, "is not a finite number"),
        ({"cadence_s": "²"}, "cadence_s '\\xb2' is not a number"),
        ({"cuff_s": "5"}, "cuff_s 5 is neither 0 nor from 10 to 86400 s"),
        ({"devices": "mon-1\u200b"}, "device 'mon-1\\u200b' must be"),
        ({"devices": "mon\u20111"}, "device 'mon\\u20111' must be"),
        ({"devices": "mon-\u0456"}, "of one alphabet"),
        ({"gateway": "gw\u00adicu"}, "gateway 'gw\\xadicu' must be"),
        ({"ward": "*"}, "ward '*' must be"),
        ({"patient": "x\\' OR 1=1 --"}, "patient "),
        ({"phone": "٣٤٥٦"}, "is no phone number"),
        ({"overrides": "hr=::1e300:"}, "limits must be finite numbers"),
        ({"overrides": "hr=::" + "9" * 400 + ":"}, "limits must be finite numbers"),
        ({"since": "2099-01-01T00:00Z"}, "since"),
        ({"since": "0001-01-01T00:00+23:59"}, "since"),
    ],
)
def test_a_cell_that_a_later_part_cannot_hold_is_refused_with_its_line(cells: dict[str, str], said: str) -> None:
    admissions, errors = roster_of(**cells)
    assert admissions == []
    (error,) = errors
    assert error.startswith("line 2: ")
    assert said in error


def test_a_name_written_decomposed_is_the_same_bed() -> None:
    for bed in ("S\u00fcd-1", "Su\u0308d-1", "  Süd-1 "):
        (admission,), errors = roster_of(bed=bed)
        assert (admission.bed, errors) == ("Süd-1", ())


def test_what_steers_a_terminal_is_taken_out_of_names_and_addresses() -> None:
    (admission,), _ = roster_of(name="Ada\u202e Brandt\u200b", address="1  Elm\u00a0Road")
    assert (admission.name, admission.address) == ("Ada Brandt", "1 Elm Road")


ROTA = {"ward": "icu", "name": "B", "start": "2026-11-22T07:00Z", "end": "2026-11-22T19:00Z", "phone": "+441632960001"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"contact": "müller"}, "names an SNS topic"), ({"contact": "x" * 300}, "names an SNS topic"),
        ({"contact": "a\u200b"}, "names an SNS topic"), ({"contact": "²"}, "names an SNS topic"),
        ({"contact": "canary"}, "Wardwatch's own"), ({"contact": "nobody"}, "Wardwatch's own"),
        ({"phone": "+²²²"}, "E.164"), ({"phone": "+" + "1" * 400}, "E.164"), ({"ward": "ic\nu"}, "ward"),
        ({"ward": "*"}, "ward"), ({"step": "1e400"}, "finite"), ({"step": "10"}, "whole number from 0 to 9"),
    ],
)  # fmt: skip
def test_a_duty_that_the_next_system_refuses_is_refused_here(cells: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rota_rows.contact_row(ROTA | {"contact": "nurse"} | cells)


def test_cells_are_numbers_and_times_or_reasons() -> None:
    assert number({"a": "1.5"}, "a", 0) == 1.5
    for raw in ("9999-12-31T23:59-23:59", "0001-01-01T00:00+23:59"):
        assert isinstance(moment({"a": raw}, "a"), int)
    for raw in ("x", "2026-01-01", "²026-01-01T00:00Z"):
        with pytest.raises(ValueError, match="a "):
            moment({"a": raw}, "a")


def test_an_action_out_of_bounds_is_not_written() -> None:
    made = Action(id="a", act=Act.CHART, patient="p" * 129, t=T0, by="x", oxygen=True)
    with pytest.raises(ValueError, match="length <= 128"):
        actions.publish(None, made, None)  # type: ignore[arg-type] # neither is reached


def test_tail_shows_what_is_wrong_and_goes_on() -> None:
    for raw in (b"[" * 100_000, b"\xff", b"9" * 5000):
        (line,) = tail.lines(Record(topics.STATUS, 0, 0, T0, b"x", raw), None)
        assert "cannot be read" in line
    assert tail.clock(10**20).startswith("9999")
