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

from bridge.down.rosters import Rosters
from bridge.up import validate as bridge
from bridge.up.validate import Refusal
from cloud.admissions import admission_rows, rota_rows
from cloud.alarm.bed_history import BedHistory
from cloud.alarm.partition_engine import PartitionEngine
from cloud.kafka.partitioning import Partitioning
from cloud.notify.routing.on_call import OnCall
from edge.alarm.bedside_alarms import BedsideAlarms
from edge.devices.driver import DeviceMessage
from edge.ingest import decode as edge
from edge.ingest.dedup import SeenSequences
from edge.ingest.roster import no_assignments, updated
from tests.doors.good import at
from tests.doors.held import T0, archived, judged, kept, known
from tests.doors.hostile import messages
from vitals import engine
from vitals.actions import Action
from vitals.admissions import Admission, roster
from vitals.bounds import BoundError, decoded, encoded
from vitals.contacts import Rota
from vitals.limits import from_wire
from vitals.signs import FIELDS
from vitals.status import Status
from vitals.wire import topics, uplink_batch
from vitals.wire.vitals_record import decode_vitals

GOOD = at(T0)


def told(refused: ValueError) -> None:
    assert str(refused)


def a_frame(raw: bytes) -> None:
    heard = edge.decode_message(DeviceMessage("d1", raw, T0 + 5, lambda _: None, None))
    assert heard.reason or heard.frame is not None
    taken = edge.Ingest("gw-1", SeenSequences()).take([heard], no_assignments("gw-1"))
    assert len(taken.readings) + len(taken.rejected) == 1
    if len(taken.readings):
        a_batch_payload(uplink_batch.encode(uplink_batch.Batch("gw-1", "o", 1, taken.readings)), refused=False)
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
    gathered = bridge.columns.ColumnBuffer()
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
        BedsideAlarms.begin(updated(no_assignments(due.gateway), encoded(due)), engine.empty(), T0).snapshot()


def an_admitted(admission: Admission) -> None:
    assert decoded(encoded(admission), Admission) == admission
    drawn = roster(admission.gateway, [admission])
    state = engine.place(engine.empty(), drawn.placements, T0)[0]
    kept(state)
    BedHistory().admit(admission)
    judging = PartitionEngine("p0", frozenset(), Partitioning(lanes=1, partitions=1))
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
    cells = {key: _cell(found.get(key, "")) for key in admission_rows.REQUIRED | admission_rows.OPTIONAL}
    try:
        an_admitted(admission_rows.admission_row(cells, T0))
    except ValueError as error:
        told(error)
    file = io.StringIO()
    table = csv.DictWriter(file, sorted(cells))
    table.writeheader()
    table.writerow(cells)
    read = admission_rows.parse(io.StringIO(file.getvalue(), newline=""), T0)
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
        book = updated(no_assignments("gw-1"), raw)
    except ValueError as error:
        told(error)
        return
    local = BedsideAlarms.begin(book, engine.empty(), T0)
    local.snapshot()
    kept(local.state)


def a_rota(raw: bytes) -> None:
    rotas = OnCall({}, "technical")
    try:
        found = decoded(raw, Rota)
    except BoundError as error:
        told(error)
    else:
        assert decoded(encoded(found), Rota) == found
        rotas.set(found)
        rotas.anybody(found.ward, T0)
    try:
        cells = json.loads(raw)["contacts"][0]
        row = {"ward": "icu", "start": "2026-11-22T07:00Z", "end": "2026-11-22T19:00Z"}
        row |= {key: _cell(cells.get(key)) for key in ("contact", "name", "phone", "email", "step")}
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return
    try:
        ward, contact = rota_rows.contact_row(row)
        encoded(Rota(ward=ward, version=1, contacts=(contact,)))
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
    (GOOD["frame"], a_frame),
    (GOOD["batch"], a_batch),
    (GOOD["status"], a_status),
    (GOOD["rejected"], a_rejected),
    (GOOD["action"], an_action),
    (GOOD["chart"], an_action),
    (GOOD["admission"], an_admission),
    (GOOD["row"], a_row),
    (GOOD["roster"], a_roster),
    (GOOD["rota"], a_rota),
    (GOOD["limit_set"], a_limit_set),
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
