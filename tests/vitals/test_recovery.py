"""A recovering engine whose replay is not the first run over again: what was told is the truth, and nothing is lost."""

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine, readings
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase, Priority
from vitals.status import Health, Status


def rows(course: list[float], first: int, *, late_s: int = 0) -> list[One]:
    return [One(T0 + 1000 * (first + k - late_s), {**WELL, "spo2": v}, seq=first + k) for k, v in enumerate(course)]


class Life:
    """One engine and what it has told; `keep` takes a snapshot, `crash` begins anew from it or from nothing."""

    def __init__(self) -> None:
        self.state, self.told = engine.place(engine.empty(), [placement()], T0)[0], list[AlarmEvent]()
        self.kept: bytes | None = None
        self.second = 1

    def _keep(self, outcome: engine.Outcome) -> list[AlarmEvent]:
        self.state, events = outcome
        self.told += events
        return list(events)

    @property
    def now(self) -> int:
        return T0 + 1000 * (self.second - 1)

    def live(self, *course: float, coarse: bool = False, late_s: int = 0) -> list[AlarmEvent]:
        """Readings a second apart, judged one by one, or at one stroke as in catching up."""
        found = rows(list(course), self.second, late_s=late_s)
        self.second += len(found)
        if coarse:
            return self._keep(engine.advance(self.state, columns(found), self.now))
        nows = [row.t + 1000 * late_s for row in found]
        return [
            e
            for row, now in zip(found, nows, strict=True)
            for e in self._keep(engine.advance(self.state, columns([row]), now))
        ]

    def act(self, act: Act, alarm: str, *, t: int | None = None, pause_s: int = 60) -> list[AlarmEvent]:
        at = self.now if t is None else t
        action = Action(id="a", act=act, patient="p1", t=at, by="nurse", alarm=alarm, pause_s=pause_s)
        return self._keep(engine.act(self.state, action, self.now))

    def crash(self, second: int) -> None:
        """Begins anew at what the snapshot (or, without, a fresh admission) knows."""
        fresh = engine.empty() if self.kept is None else engine.restore(self.kept)
        self.state = engine.restore_reported(fresh, self.told)
        if self.kept is None:
            self.state, events = engine.place(self.state, [placement()], T0)
            assert events == ()
        self.second = second


@pytest.fixture
def life() -> Life:
    return Life()


def brief(events: list[AlarmEvent]) -> list[tuple[int, Phase]]:
    return [(e.n, e.phase) for e in events if e.condition == "spo2"]


def spo2(life: Life) -> AlarmEvent:
    return next(e for e in reversed(life.told) if e.condition == "spo2")


@pytest.mark.parametrize("well", [70, 200])
def test_an_alarm_that_ends_while_the_log_is_caught_up_ends_once_and_stays_ended(life: Life, well: int) -> None:
    life.live(*[88] * 29)
    life.kept = engine.snapshot(life.state)
    life.live(*[86] * 3)
    assert brief(life.told) == [(0, Phase.START), (1, Phase.UPDATE)]
    life.crash(30)
    again = life.live(*[86] * 3, *[97] * well, coarse=True)
    again += life.live(*[97] * 70)
    assert brief(again) == [(2, Phase.END)]
    assert engine.active(life.state) == ()


def test_an_acknowledgement_that_the_replay_does_not_meet_holds_and_what_comes_then_is_told(life: Life) -> None:
    life.live(*[80] * 30)
    life.kept = engine.snapshot(life.state)
    alarm = spo2(life).id
    life.live(80)
    assert brief(life.act(Act.ACKNOWLEDGE, alarm)) == [(1, Phase.UPDATE)]
    life.crash(31)
    again = life.live(*[80] * 200)
    assert brief(again) == []
    assert [e.inactivation for e in engine.active(life.state) if e.id == alarm] == [Inactivation.ACKNOWLEDGED]
    worse = life.live(*[70] * 60)
    assert [phase for _, phase in brief(worse)][-1] is Phase.ESCALATE
    assert [n for n, _ in brief(worse)] == list(range(2, 2 + len(brief(worse))))


def test_an_acknowledgement_that_only_the_replay_has_met_is_told(life: Life) -> None:
    life.live(*[80] * 30)
    life.kept = engine.snapshot(life.state)
    alarm, seen = spo2(life).id, life.now
    life.live(77)
    assert brief(life.told)[-1] == (1, Phase.UPDATE)
    life.crash(31)
    # By its time it came before the last reading; the process had died before it read it.
    assert life.act(Act.ACKNOWLEDGE, alarm, t=seen) == []
    again = life.live(77, 77, 77)
    assert [(e.n, e.inactivation, e.by) for e in again if e.id == alarm] == [(2, Inactivation.ACKNOWLEDGED, "nurse")]


@pytest.mark.parametrize("coarse", [False, True])
def test_what_is_new_is_told_though_the_replay_counts_fewer_handovers(life: Life, coarse: bool) -> None:
    life.live(*[80] * 10)
    life.kept = engine.snapshot(life.state)
    alarm = life.live(80)[-1].id
    life.live(*[80] * 130)
    handovers = [e.n for e in life.told if e.phase is Phase.CONTINUE]
    assert handovers
    life.crash(11)
    # In the replay the nurse's word, by a clock that is behind, comes before the handover that made her come.
    life.live(80, 80)
    life.act(Act.ACKNOWLEDGE, alarm)
    again = life.live(*[80] * 128, *[97] * 80, coarse=coarse) + life.live(97)
    mine = [(e.n, e.phase) for e in again if e.id == alarm]
    assert [phase for _, phase in mine][-1] in {Phase.END, Phase.UPDATE}
    assert [n for n, _ in mine] == list(range(max(handovers) + 1, max(handovers) + 1 + len(mine)))


def test_what_has_ended_stays_ended_though_the_replay_still_holds_it(life: Life) -> None:
    life.live(*[80] * 30)
    alarm = spo2(life).id
    life.told += engine.discharge(life.state, "p1", life.now)[1]
    assert life.told[-1].id == alarm
    assert life.told[-1].state is AlarmState.INACTIVE
    life.crash(1)
    again = life.live(*[80] * 34)
    assert alarm not in {e.id for e in (*again, *engine.active(life.state))}
    # Somebody who is still there and still ill is told of, as a new alarm.
    assert (0, Phase.START) in brief(life.live(*[80] * 20))


def test_that_nobody_is_judged_is_one_alarm_also_in_a_coarser_replay(life: Life) -> None:
    life.live(97)
    life.live(*[97] * 200, late_s=200)
    (start,) = [e for e in life.told if e.condition == "not-judged" and e.phase is Phase.START]
    life.crash(1)
    life.live(97)
    again: list[AlarmEvent] = []
    for _ in range(29):
        again += engine.advance(life.state, columns(rows([97] * 7, life.second, late_s=200)), life.now + 7000)[1]
        life.second += 7
    assert again == []
    assert [e.id for e in engine.active(life.state)] == [start.id]
    assert [(e.id, e.phase) for e in life.live(*[97] * 70)] == [(start.id, Phase.END)]


def test_a_failure_that_outlasts_a_stall_keeps_its_id() -> None:
    down = Status(id="gw-1", kind="gateway", health=Health.OFFLINE, t=T0)
    told: list[AlarmEvent] = []
    state = engine.empty()
    for run in (1, 2):
        state, begun = engine.advance(state, readings.empty(), T0)
        for events in (
            engine.report(state, down, T0)[1],
            engine.stalled(state, T0 + 1000, T0 + 1000)[1],
            # The alarm continues when the stall is over, at a log time that a replay in batches has not.
            engine.stalled(state, None, T0 + 5000 + 2000 * (run - 1))[1],
            engine.advance(state, readings.empty(), T0 + 60_000)[1],
        ):
            begun += events
        if run == 1:
            told = list(begun)
            assert [e.phase for e in told if e.condition == "gateway-down"] == [Phase.START, Phase.END, Phase.UPDATE]
            state = engine.restore_reported(engine.empty(), told)
    assert begun == ()
    assert [e.id for e in engine.active(state)] == [told[0].id] == [told[-1].id]


def test_a_pause_that_was_told_before_is_not_told_again_when_the_replay_meets_it_late(life: Life) -> None:
    life.live(*[80] * 30)
    life.kept = engine.snapshot(life.state)
    alarm, pressed = spo2(life).id, life.now
    life.live(80)
    life.act(Act.AUDIO_PAUSE, alarm, t=pressed, pause_s=300)
    life.crash(31)
    again = life.live(80, 80)
    again += life.act(Act.AUDIO_PAUSE, alarm, t=pressed, pause_s=300)
    assert again == []
    later = life.act(Act.AUDIO_PAUSE, alarm, t=pressed + 1, pause_s=300)
    assert [(e.n, e.inactivation) for e in later] == [(2, Inactivation.AUDIO_PAUSED)]


def test_an_escalation_within_the_batch_that_catches_up_is_told(life: Life) -> None:
    life.live(*[88] * 29)
    life.kept = engine.snapshot(life.state)
    alarm = spo2(life).id
    life.live(88)
    life.act(Act.ACKNOWLEDGE, alarm)
    life.crash(30)
    again = life.live(88, *[78] * 20, coarse=True)
    assert [(e.n, e.phase, e.priority) for e in again if e.id == alarm] == [(2, Phase.ESCALATE, Priority.HIGH)]


def test_an_acknowledgement_that_only_the_replay_has_met_silences_no_escalation(life: Life) -> None:
    life.live(*[88] * 29)
    life.kept = engine.snapshot(life.state)
    alarm, seen = spo2(life).id, life.now
    life.live(86)
    life.crash(30)
    assert life.act(Act.ACKNOWLEDGE, alarm, t=seen) == []
    # A marked value does not decide as it did: the replay does not come to the last step, and passes it.
    again = life.live(87, *[78] * 20, coarse=True) + life.live(78)
    mine = [(e.n, e.phase, e.inactivation) for e in again if e.id == alarm]
    assert mine == [(2, Phase.ESCALATE, Inactivation.NONE)]


def test_a_snapshot_taken_while_the_log_is_caught_up_goes_on_where_it_was(life: Life) -> None:
    life.live(*[88] * 29)
    life.kept = engine.snapshot(life.state)
    life.live(*[86] * 3)
    life.crash(30)
    again = life.live(86, 86)
    life.state = engine.restore(engine.snapshot(life.state))
    again += life.live(86, *[97] * 70, coarse=True) + life.live(97)
    assert brief(again) == [(2, Phase.END)]


def test_a_latched_alarm_of_before_the_snapshot_that_only_the_replay_sees_acknowledged_ends(life: Life) -> None:
    life.live(*[80] * 20, *[97] * 70)
    (latched,) = {e.id for e in life.told if e.state is AlarmState.LATCHED}
    life.kept = engine.snapshot(life.state)
    again = life.second
    (second,) = [e.id for e in life.live(*[80] * 20) if e.condition == "spo2" and e.phase is Phase.START]
    life.act(Act.ACKNOWLEDGE, second)
    life.live(*[97] * 70)
    life.crash(again)
    life.live(*[80] * 5)
    life.act(Act.ACKNOWLEDGE, latched)
    life.live(*[80] * 15)
    life.act(Act.ACKNOWLEDGE, second)
    life.live(*[97] * 80)
    ends = [e.id for e in life.told if e.phase is Phase.END and e.condition == "spo2"]
    assert sorted(ends) == sorted({latched, second})
