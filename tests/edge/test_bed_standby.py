"""Standby at the bed's button: at once, with the uplink cut, over a restart, and counted down at the light."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge.devices.driver import StandbyButton
from edge.status import cli
from vitals.actions import Act, Action

Rig = Callable[..., Any]
WELL = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
ZEROS = dict.fromkeys(WELL, 0)


@pytest.fixture
def gw(rig: Rig, make: SimpleNamespace) -> Any:  # noqa: ANN401 - the rig of conftest
    gw = rig(roster=make.roster(make.placement()))
    gw.seq = 0
    live(gw, 10)
    return gw


def live(gw: Any, seconds: int, signs: dict[str, float] = WELL) -> None:  # noqa: ANN401
    for _ in range(seconds):
        gw.device(gw.seq, **signs)
        gw.seq += 1
        gw.turn(1)


def press(gw: Any, payload: bytes = b"", bed: str = "W-1") -> None:  # noqa: ANN401
    gw.gateway.receive(StandbyButton(bed, payload))
    gw.turn()


def sent(gw: Any) -> list[Action]:  # noqa: ANN401
    return [msgspec.json.decode(p, type=Action) for name, p in gw.above.published if name == "pressed"]


def light(gw: Any, bed: str = "W-1") -> dict[str, Any]:  # noqa: ANN401
    return gw.bedside.shown[bed]


def lit(gw: Any) -> set[str]:  # noqa: ANN401
    return {a["condition"] for a in light(gw)["alarms"]}


def test_with_the_uplink_cut_the_button_keeps_lost_signs_quiet_at_once_and_goes_up_when_it_is_back(gw: Any) -> None:  # noqa: ANN401
    gw.link(up=False)
    pressed = gw.clock.now
    press(gw, b"10")
    live(gw, 590, ZEROS)
    assert lit(gw) == set()
    assert sent(gw) == []
    gw.link()
    gw.turn()
    (action,) = sent(gw)
    assert (action.act, action.patient, action.bed, action.by) == (Act.STANDBY, "p-1", "W-1", "bed W-1")
    assert (action.t, action.pause_s) == (pressed, 600)
    live(gw, 60, ZEROS)
    assert lit(gw) == {"not-judged"}


def test_it_is_sent_until_the_log_has_it_and_as_long_as_it_lasts(gw: Any) -> None:  # noqa: ANN401
    press(gw, b"60")
    for _ in range(4):
        gw.turn(6)
    count = len(sent(gw))
    assert count >= 4
    assert len({a.id for a in sent(gw)}) == 1
    gw.down("actions", msgspec.json.encode(sent(gw)[0]))
    gw.turn(6)
    gw.turn(6)
    assert len(sent(gw)) == count


def test_the_light_counts_it_down_and_says_that_nobody_is_watched(gw: Any) -> None:  # noqa: ANN401
    begun = gw.clock.now
    press(gw, b"5")
    gw.turn()
    shown = light(gw)
    assert (shown["standby_until"], shown["standby_s"], shown["monitored"]) == (begun + 300_000, 300, False)
    live(gw, 30, ZEROS)
    assert 260 <= light(gw)["standby_s"] <= 280
    live(gw, 40, ZEROS)
    live(gw, 3)
    shown = light(gw)
    assert (shown["standby_until"], shown["standby_s"], shown["monitored"]) == (0, 0, True)


def test_a_light_shows_that_a_standby_is_over_before_anybody_is_asked(gw: Any) -> None:  # noqa: ANN401
    press(gw, b"5")
    live(gw, 315, ZEROS)
    shown = light(gw)
    assert (shown["standby_s"], shown["monitored"], shown["alarms"]) == (0, False, [])
    assert shown["standby_until"] < gw.clock.now
    live(gw, 3)
    assert (light(gw)["standby_until"], light(gw)["monitored"]) == (0, True)


def test_it_survives_a_restart_which_sends_it_again(gw: Any, rig: Rig) -> None:  # noqa: ANN401
    gw.link(up=False)
    press(gw, b"20")
    gw.turn(1)
    until = light(gw)["standby_until"]
    again = rig(now=gw.clock.now)
    again.seq = gw.seq
    again.turn(1)
    assert light(again)["standby_until"] == until
    again.link()
    again.turn(1)
    (action,) = {a.id: a for a in sent(again)}.values()
    assert action.t + 1000 * action.pause_s == until
    live(again, 300, ZEROS)
    assert lit(again) == set()


def test_a_press_of_zero_ends_it(gw: Any) -> None:  # noqa: ANN401
    press(gw)
    press(gw, b"0")
    assert [a.act for a in sent(gw)][-1] is Act.STANDBY_END
    live(gw, 15, ZEROS)
    assert "vital-signs-lost" in lit(gw)


@pytest.mark.parametrize("payload", [b"4", b"61", b"-5", b"soon", b"\xff", b"1e1", b"9" * 1000])
def test_a_length_that_is_no_standby_is_refused(gw: Any, payload: bytes) -> None:  # noqa: ANN401
    press(gw, payload)
    gw.turn(1)
    assert light(gw)["standby_until"] == 0
    assert sent(gw) == []


def test_a_standby_that_the_bed_refuses_does_not_go_up(gw: Any) -> None:  # noqa: ANN401
    live(gw, 15, ZEROS)
    assert "vital-signs-lost" in lit(gw)
    press(gw)
    gw.turn(6)
    assert (sent(gw), light(gw)["standby_until"]) == ([], 0)
    press(gw, bed="W-9")
    press(gw, b"0")
    assert sent(gw) == []


def test_the_page_sets_it_and_the_gateways_status_counts_it_down(gw: Any) -> None:  # noqa: ANN401
    action = Action(id="x", act=Act.STANDBY, patient="p-1", bed="W-1", t=gw.clock.now, by="ann", pause_s=1800)
    gw.down("actions", msgspec.json.encode(action))
    live(gw, 60, ZEROS)
    shown = cli.status(gw.settings.edge_data, gw.clock.now)["standby"]
    assert shown["W-1"]["by"] == "ann"
    assert 1700 <= shown["W-1"]["left_s"] <= 1800
    assert lit(gw) == set()


def test_a_move_ends_it(gw: Any, make: SimpleNamespace) -> None:  # noqa: ANN401
    press(gw)
    gw.down("roster", make.roster(make.placement(bed="W-2", since=gw.clock.now), version=2))
    live(gw, 15, ZEROS)
    assert light(gw, "W-2")["standby_until"] == 0
    assert "vital-signs-lost" in {a["condition"] for a in light(gw, "W-2")["alarms"]}
