"""Tiers that start for the first time in any order, minutes apart: who is ill once the last one is there is paged."""

from collections import Counter
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest

from tests.cloud.first_start import (
    BRIDGE,
    CONSULTANT,
    GRACE_S,
    ILL_AFTER,
    ILL_BEFORE,
    NOTIFY,
    NURSE,
    SCORE,
    TECHNICIAN,
    TIERS,
    WATCH,
    WELL,
    FirstStart,
)
from vitals.alarm_events import Phase
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.wire import topics

PAGED_WITHIN_S = 30
GAPS_S = ((0, 0, 0), (90, 90, 90), (300, 300, 300), (300, 90, 0), (0, 300, 90))
"""Seconds between the first tier and the second, the second and the third, the third and the fourth."""
FALLS_S = 5
"""The first patient falls ill before any tier but the gateway is there; the second so long after the last has come."""
WATCHED_S = 60
CALM_S = 30
"""Readings flow for so long before the pipeline counts as sound again."""
HANDOVER_S = 120
ROUND_S = 600
"""Handovers that nobody answers come round to the consultant so often (`docs/clinical.md`)."""


@pytest.mark.parametrize("gaps_s", GAPS_S, ids=lambda gaps: "-".join(map(str, gaps)))
@pytest.mark.parametrize("order", list(permutations(TIERS)), ids="-".join)
def test_in_every_order_of_starts_whoever_is_ill_is_paged_once_the_last_tier_is_there(
    tmp_path: Path, order: tuple[str, ...], gaps_s: tuple[int, ...]
) -> None:
    comes = {tier: 10 + sum(gaps_s[:place]) for place, tier in enumerate(order)}
    last = max(comes.values())
    start = FirstStart(tmp_path, comes, {ILL_BEFORE: FALLS_S, ILL_AFTER: last + FALLS_S})
    start.run(last + FALLS_S + WATCHED_S)
    is_paged_in_time(start, {ILL_BEFORE: last, ILL_AFTER: last + FALLS_S})
    is_stalled_only_while_nothing_comes(start, comes)
    nothing_floods(start, patients=2)
    assert start.station.log.records(topics.REJECTED) == []


@pytest.mark.parametrize("late", [SCORE, WATCH])
def test_what_a_gateway_alarms_of_itself_before_the_first_reading_is_told_and_runs_no_timer_wild(
    tmp_path: Path, late: str
) -> None:
    comes = dict.fromkeys(TIERS, 10) | {late: 310}
    failing = f"gw-icu.outbox-write-failing.{1_763_812_800_000 + 5_000}"
    start = FirstStart(tmp_path, comes, {ILL_BEFORE: FALLS_S}, faults=(failing,))
    start.run(310 + WATCHED_S)
    is_paged_in_time(start, {ILL_BEFORE: 310, "gw-icu": 310})
    is_stalled_only_while_nothing_comes(start, comes)
    nothing_floods(start, patients=2)


def is_paged_in_time(start: FirstStart, due: Mapping[str, int]) -> None:
    for subject, second in due.items():
        paged = start.paged(subject)
        assert paged is not None, f"nobody was told of {subject}"
        assert paged - second <= PAGED_WITHIN_S
    assert start.paged(WELL) is None


def is_stalled_only_while_nothing_comes(start: FirstStart, comes: Mapping[str, int]) -> None:
    flows = max(comes[BRIDGE], comes[SCORE])
    told = [(e.phase, start.at(e.t)) for e in start.alarms() if e.subject == PIPELINE]
    stalled = flows - comes[WATCH] > GRACE_S
    begun = comes[WATCH] + GRACE_S
    again = [(Phase.CONTINUE, at) for at in range(begun + HANDOVER_S, flows, HANDOVER_S)]
    assert told == ([(Phase.START, begun), *again, (Phase.END, flows + CALM_S)] if stalled else [])
    heard = Counter(n.contact for n in start.station.notifications() if n.patient == PIPELINE)
    # A ward's first contact and the technician once, and who comes next at each round.
    assert heard[NURSE] <= stalled
    assert heard[TECHNICIAN] + heard[CONSULTANT] <= 2 * stalled * (1 + (flows - begun) // ROUND_S)
    if stalled and comes[NOTIFY] < flows:
        # Who comes when it is over and began long ago is spared it; whoever was there before has been told.
        assert heard[NURSE] == 1 <= heard[TECHNICIAN] <= 1 + (flows - begun) // ROUND_S


def nothing_floods(start: FirstStart, patients: int) -> None:
    events = Counter(event.id for event in start.alarms())
    for event in start.alarms():
        # It begins, grows at most once a step of priority, is handed over each two minutes at most, and ends.
        assert events[event.id] <= 4 + (start.second - start.at(event.start)) / HANDOVER_S, event
    notifications = start.station.notifications()
    assert set(Counter((n.alarm, n.n, n.contact, n.handover) for n in notifications).values()) <= {1}
    told = Counter(n.contact for n in notifications)
    # A nurse hears of the sign and of NEWS2 once each, as nobody's state changes; who comes next, at each round.
    assert told[NURSE] <= 2 * patients + 1
    assert told[CONSULTANT] <= (patients + 1) * (1 + start.second // ROUND_S)
    assert told[TECHNICIAN] <= 1 + start.second // ROUND_S
    assert set(told) <= {NURSE, CONSULTANT, TECHNICIAN}
