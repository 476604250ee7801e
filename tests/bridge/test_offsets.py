"""A gateway's clock against the bridge's, by when its statuses say they were sent."""

import random

import pytest

from bridge.liveness.clock_offsets import ANSWER_EVERY_S, CHANGE_MS, ClockOffsets
from edge.clock.gateway_clock import GatewayClock
from vitals.status import ClockOffset

T = 1_763_812_800_000
EVERY_S = 3


class Way:
    """A gateway that says its clock each three seconds, and the way to the bridge."""

    def __init__(self, offsets: ClockOffsets, name: str = "gw-1") -> None:
        self.offsets, self.name, self.at = offsets, name, 0.0
        self.answers: list[ClockOffset] = []

    def says(self, behind_ms: int, delay_ms: int = 0, times: int = 1, *, bridge_ms: int = 0) -> int | None:
        for _ in range(times):
            self.at += EVERY_S
            true = T + round(self.at * 1000)
            at, t = self.at + delay_ms / 1000, true + delay_ms + bridge_ms
            answer = self.offsets.heard(self.name, true - behind_ms, at, t)
            self.answers += [answer] if answer else []
        return self.offsets.of(self.name)


@pytest.mark.parametrize("behind_ms", [-3_600_000, -150, 0, 7_000])
def test_an_offset_is_known_after_a_few_statuses_whatever_the_way_takes_meanwhile(behind_ms: int) -> None:
    way, draw = Way(ClockOffsets()), random.Random(behind_ms)  # noqa: S311 - a seed, no secret
    assert way.says(behind_ms, 40) is None
    for _ in range(100):
        way.says(behind_ms, draw.choice((40, 60, 900, 2_500)))
    assert way.offsets.of("gw-1") == pytest.approx(behind_ms, abs=CHANGE_MS + 900)
    assert way.says(behind_ms, 40, 10) == pytest.approx(behind_ms, abs=CHANGE_MS + 40)


def test_a_clock_that_is_set_is_known_again_within_half_a_minute_in_either_direction() -> None:
    way = Way(ClockOffsets())
    assert way.says(0, 40, 10) == 40
    assert way.says(-9_000, 40, 3) == -8_960
    assert way.says(9_000, 40, 9) == 9_040


def test_one_status_that_falls_into_a_moment_of_a_wrong_bridge_decides_nothing() -> None:
    way = Way(ClockOffsets())
    way.says(0, 40, 10)
    assert way.says(0, 40, bridge_ms=-20_000) == 40
    way.offsets.begin_anew()
    assert way.says(0, 40, 10) == 40


def test_what_a_broker_kept_while_the_bridge_was_away_is_no_offset() -> None:
    offsets = ClockOffsets()
    for k in range(100):
        offsets.heard("gw-1", T - 300_000 + 3_000 * k, 10.0, T)
    assert offsets.of("gw-1") is None
    for k in range(1, 8):
        offsets.heard("gw-1", T + 3_000 * k, 10.0 + 3 * k, T + 3_000 * k + 40)
    assert offsets.of("gw-1") == 40


def test_a_gateway_is_told_at_once_when_its_clock_is_another_and_else_each_minute() -> None:
    way = Way(ClockOffsets())
    way.says(0, 40, 20)
    assert [a.offset_ms for a in way.answers] == [40]
    # The answer names the status that it is for: what was sent is the time less the offset.
    assert way.answers[0].t - way.answers[0].offset_ms == T + 1000 * EVERY_S
    way.says(-600, 40)
    assert [a.offset_ms for a in way.answers] == [40, -560]
    way.says(-600, 45, round(ANSWER_EVERY_S / EVERY_S))
    assert [a.offset_ms for a in way.answers] == [40, -560, -555]


def test_a_gateway_that_does_not_say_its_clock_is_not_measured() -> None:
    offsets = ClockOffsets()
    assert [offsets.heard("gw-1", 0, 3.0 * k, T) for k in range(10)] == [None] * 10
    assert offsets.of("gw-1") is None


@pytest.mark.parametrize(
    ("off_ms", "step_at_s", "step_ms"),
    [(0, 0, 0), (-3_600_000, 0, 0), (0, 60, -1_800_000), (0, 60, 7_000), (3_000, 100, -7_000)],
)
def test_a_gateway_that_is_told_so_runs_on_its_bridges_time_through_steps_of_its_own(
    off_ms: int, step_at_s: int, step_ms: int
) -> None:
    offsets, own = ClockOffsets(), GatewayClock(T + off_ms, T + off_ms, 0.0, settled=False)
    own.link(up=True, clock_s=0.0)
    answers = 0
    for second in range(1, 181):
        off_ms += step_ms if second == step_at_s else 0
        true, at = T + 1000 * second, float(second)
        own.turn(true + off_ms, at, settled=False)
        if second % EVERY_S == 0:
            own.sent(true + off_ms, at)
            answer = offsets.heard("gw-1", true + off_ms, at + 0.04, true + 40)
            if answer:
                answers += 1
                own.told(answer, true + off_ms + 80, at + 0.08)
        if second > EVERY_S:
            assert abs(own.now - true) <= 50
    assert answers <= 5
