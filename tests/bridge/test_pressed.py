"""An acknowledgement at the bed goes on into the log."""

import msgspec
import pytest

from bridge.kafka import outgoing_records
from bridge.up import validate
from vitals.actions import Act, Action
from vitals.wire import topics


def test_an_acknowledgement_at_the_bed_becomes_an_action_in_its_patients_lane() -> None:
    action = Action(id="a.0", act=Act.ACKNOWLEDGE, patient="p-1", t=1, by="bed W-1", alarm="p-1.hr.1")
    taken = validate.take_pressed(msgspec.json.encode(action))
    assert isinstance(taken, Action)
    record = outgoing_records.action(taken, 16, 8)
    assert (record.topic, record.partition, record.key) == ("actions", topics.lane("p-1") % 8, b"p-1")
    assert msgspec.json.decode(record.value or b"", type=Action) == action


@pytest.mark.parametrize("act", [Act.STANDBY, Act.STANDBY_END])
def test_a_standby_at_the_bed_goes_the_same_way(act: Act) -> None:
    action = Action(id="s", act=act, patient="p-1", t=1, by="bed W-1", bed="W-1", pause_s=300)
    taken = validate.take_pressed(msgspec.json.encode(action))
    assert taken == action


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[" * 100_000,
        b'{"id":"a","act":"acknowledge","patient":"p","t":1,"by":"b"}',
        b'{"id":"a","act":"audio-pause","patient":"p","t":1,"by":"b","alarm":"x"}',
        b'{"id":"a","act":"standby","patient":"p","t":1,"by":"b","bed":"x","pause_s":3601}',
        b'{"id":"a","act":"standby","patient":"p","t":1,"by":"b","pause_s":300}',
        b'{"id":"a","act":"chart","patient":"p","t":1,"by":"b","consciousness":"A"}',
        b'{"id":"","act":"acknowledge","patient":"p","t":1,"by":"b","alarm":"x"}',
    ],
)
def test_what_no_button_does_is_refused(payload: bytes) -> None:
    assert isinstance(validate.take_pressed(payload), validate.Refusal)
