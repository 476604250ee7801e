"""Whatever comes to a door is taken or refused with its reason; and what is taken, all parts behind can hold.

Each door has one claim, `a_…`, tried on some hundred messages in every run, on ten thousand of each in the long one.
"""

import csv
import io
import json
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from bridge import intake as bridge
from bridge.intake import Refusal
from bridge.rosters import Rosters
from cloud.commands import admit, duty
from cloud.log.layout import Layout
from cloud.notify.plan import Rotas
from cloud.watch.beds import Beds
from cloud.watch.slice import Slice
from edge import intake as edge
from edge.driver import Delivery
from edge.ledger import Ledger
from edge.local import LocalAlarms
from edge.roster import nobody, updated
from tests.doors.held import T0, archived, judged, kept, known
from tests.doors.hostile import messages
from vitals import batches, engine, topics
from vitals.actions import Action
from vitals.bounds import BoundError, decoded, encoded
from vitals.contacts import Duty
from vitals.limits import from_wire
from vitals.patients import Admission, roster
from vitals.records import decode_vitals
from vitals.signs import FIELDS
from vitals.status import Status

FRAME = {"boot": 7, "seq": 1, "t": T0, "hr": 72, "spo2": 97, "temp": 36.8, "sbp": 120, "dbp": 70, "off": ["rr"]}
COLUMNS = {
    "patient": ["p1"], "device": ["d1"], "ward": ["w1"], "bed": ["b1"], "boot": [1], "seq": [0], "t": [T0],
    "t_gw": [T0], "roster": [1], "suspect": [0], "limits": [-1], "hr": [72], "spo2": [97.5],
    "limit_sets": [{"profile": "adult", "hr": [40, 50, None, 140, 10], "spo2": [85, 90, None, None, 15]}],
}  # fmt: skip
BATCH = {"gateway": "gw-1", "outbox": "o", "n": 1, "readings": COLUMNS}
STATUS = {
    "id": "gw-1", "kind": "gateway", "health": "up", "t": T0, "version": "1", "outbox": "o", "backlog": 1,
    "backlog_bytes": 1, "backlog_since": T0, "accepted": 1, "rejected": 1, "slots": [1],
    "devices": [{"device": "d1", "health": "silent", "t": T0, "offset_ms": 5, "off": ["hr"], "patient": "p1"}],
    "alarms": [f"gw-1.outbox-trimmed.{T0}", "gw-1.outbox-trimmed.²", "gw-1.outbox-filling.99999999999999999999"],
}  # fmt: skip
REJECTED = [{"topic": "devices/d1/vitals", "reason": "not a frame", "t": T0, "payload": "AA==", "readings": 1}]
ACTION = {
    "id": "a", "act": "acknowledge", "patient": "p1", "t": T0, "by": "bela", "alarm": f"p1.hr.{T0}", "pause_s": 60,
    "oxygen": True, "consciousness": "V",
}  # fmt: skip
CHART = ACTION | {"act": "chart"}
LIMITS = {"extreme_low": 80, "low": 85, "high": 100, "extreme_high": 110, "delay_s": 15}
ADMISSION = {
    "patient": "p1", "version": 1, "name": "Ada Brandt", "born": "1958-03-21", "phone": "+44 1632 960123",
    "address": "1 Elm Road", "ward": "w1", "bed": "b1", "gateway": "gw-1", "devices": ["d1"], "since": T0,
    "cadence_s": 1.0, "cuff_s": 60.0, "profile": "adult", "overrides": {"spo2": LIMITS}, "discharged": None,
}  # fmt: skip
PLACEMENT = {key: ADMISSION[key] for key in ("patient", "ward", "bed", "since", "cadence_s", "cuff_s", "overrides")}
ROSTER = {"gateway": "gw-1", "version": 1, "placements": [PLACEMENT | {"device": "d1"}]}
CONTACT = {"contact": "nurse", "name": "B. Holt", "start": T0, "end": T0 + 1, "phone": "+441632960001", "step": 0}
ROTA = {"ward": "icu", "version": 1, "contacts": [CONTACT | {"email": "b@example.org", "priority": 1}]}


def told(refused: ValueError) -> None:
    assert str(refused)


def a_frame(raw: bytes) -> None:
    heard = edge.hear(Delivery("d1", raw, T0 + 5, lambda _: None, None))
    assert heard.reason or heard.frame is not None
    taken = edge.Intake("gw-1", Ledger()).take([heard], nobody("gw-1"))
    assert len(taken.readings) + len(taken.rejected) == 1
    if len(taken.readings):
        a_batch_payload(batches.encode(batches.Batch("gw-1", "o", 1, taken.readings)), refused=False)
        judged(taken.readings)


def a_batch(raw: bytes) -> None:
    a_batch_payload(zlib.compress(raw))


def a_batch_payload(payload: bytes, *, refused: bool | None = None) -> None:
    taken = bridge.take("gw-1", payload)
    assert all(refusal.reason for refusal in taken.refusals)
    assert refused is None or bool(taken.refusals) == refused
    if taken.batch is None or not taken.batch.size:
        assert taken.refusals or taken.number
        return
    gathered = bridge.columns.Gathered()
    gathered.add(taken.batch)
    for _, part in gathered.by_lane(16):
        judged(decode_vitals(part.encode()))


def a_status(raw: bytes) -> None:
    found = bridge.take_status("gw-1", raw)
    if isinstance(found, Refusal):
        assert found.reason
        return
    assert decoded(encoded(found), Status) == found
    for own in (False, True):
        state, events = engine.report(known(), found, T0, own=own)
        kept(state, events)
    archived(topics.STATUS, encoded(found))


def a_rejected(raw: bytes) -> None:
    found = bridge.take_rejected(raw)
    if isinstance(found, Refusal):
        assert found.reason
        return
    for one in found:
        archived(topics.REJECTED, encoded(one))


def an_action(raw: bytes) -> None:
    pressed = bridge.take_pressed(raw)
    assert not isinstance(pressed, Refusal) or pressed.reason
    try:
        action = decoded(raw, Action)
    except BoundError as error:
        told(error)
        return
    state, events = engine.act(known(), action, T0)
    kept(state, events)
    archived(topics.ACTIONS, encoded(action))


def an_admission(raw: bytes) -> None:
    rosters = Rosters(frozenset(range(16)))
    try:
        admission = decoded(raw, Admission)
    except BoundError as error:
        with pytest.raises(ValueError, match="p1"):
            rosters.apply("p1", raw)
        told(error)
        return
    an_admitted(admission)
    rosters.apply(admission.patient, raw)
    for due in rosters.due():
        LocalAlarms.begin(updated(nobody(due.gateway), encoded(due)), engine.empty(), T0).snapshot()


def an_admitted(admission: Admission) -> None:
    assert decoded(encoded(admission), Admission) == admission
    drawn = roster(admission.gateway, [admission])
    state = engine.place(engine.empty(), drawn.placements, T0)[0]
    kept(state)
    Beds().admit(admission)
    judging = Slice("p0", frozenset(), Layout(lanes=1, partitions=1))
    assert not judging._control(admission)
    archived(topics.PATIENTS, encoded(admission))


def a_row(raw: bytes) -> None:
    """The message's values as a file's cells, and as the ward page passes them on."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    cells = {key: _cell(found.get(key, "")) for key in admit.REQUIRED | admit.OPTIONAL}
    try:
        an_admitted(admit.admission_row(cells, T0))
    except ValueError as error:
        told(error)
    file = io.StringIO()
    table = csv.DictWriter(file, sorted(cells))
    table.writeheader()
    table.writerow(cells)
    read = admit.parse(io.StringIO(file.getvalue(), newline=""), T0)
    assert len(read.rows) + len(read.errors) >= 1
    for _, admission in read.rows:
        an_admitted(admission)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_cell, value))
    try:
        return "" if value is None or isinstance(value, dict) else str(value)
    except ValueError:
        return "9" * 5000


def a_roster(raw: bytes) -> None:
    try:
        book = updated(nobody("gw-1"), raw)
    except ValueError as error:
        told(error)
        return
    local = LocalAlarms.begin(book, engine.empty(), T0)
    local.snapshot()
    kept(local.state)


def a_rota(raw: bytes) -> None:
    rotas = Rotas({}, "technical")
    try:
        found = decoded(raw, Duty)
    except BoundError as error:
        told(error)
    else:
        assert decoded(encoded(found), Duty) == found
        rotas.set(found)
        rotas.anybody(found.ward, T0)
    try:
        cells = json.loads(raw)["contacts"][0]
        row = {"ward": "icu", "start": "2026-11-22T07:00Z", "end": "2026-11-22T19:00Z"}
        row |= {key: _cell(cells.get(key)) for key in ("contact", "name", "phone", "email", "step")}
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return
    try:
        ward, contact = duty.contact_row(row)
        encoded(Duty(ward=ward, version=1, contacts=(contact,)))
    except ValueError as error:
        told(error)


def a_limit_set(raw: bytes) -> None:
    try:
        found = from_wire(decoded(raw, dict))
    except ValueError as error:
        told(error)
        return
    assert len(found.limits) == len(FIELDS)
    assert from_wire(found.wire()) == found


DOORS: list[tuple[object, Callable[[bytes], None]]] = [
    (FRAME, a_frame),
    (BATCH, a_batch),
    (STATUS, a_status),
    (REJECTED, a_rejected),
    (ACTION, an_action),
    (CHART, an_action),
    (ADMISSION, an_admission),
    (ADMISSION | {"overrides": "spo2=80:85::", "devices": "d1;d2", "since": "2026-11-22T07:00Z"}, a_row),
    (ROSTER, a_roster),
    (ROTA, a_rota),
    (COLUMNS["limit_sets"][0], a_limit_set),
]
IDS = [f"{door.__name__}{n}" for n, (_, door) in enumerate(DOORS)]


@pytest.mark.parametrize(("good", "door"), DOORS, ids=IDS)
def test_a_good_message_is_taken(good: object, door: Callable[[bytes], None]) -> None:
    door(json.dumps(good).encode())


def tried(good: object, door: Callable[[bytes], None], times: int) -> None:
    @settings(
        max_examples=times, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(messages(good))
    def claim(raw: bytes) -> None:
        door(raw)

    claim()


@pytest.mark.parametrize(("good", "door"), DOORS, ids=IDS)
def test_any_message_is_taken_or_refused_and_what_is_taken_is_held(good: object, door: Callable[[bytes], None]) -> None:
    tried(good, door, 150)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("good", "door"), DOORS, ids=IDS)
def test_ten_thousand_messages_of_each_kind(good: object, door: Callable[[bytes], None]) -> None:
    tried(good, door, 10_000)
