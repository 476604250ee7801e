"""Unacknowledged alarms and the next observation of a patient. Pure.

Source of the frequency: Royal College of Physicians, NEWS2, chart 4. Vital signs come from the monitor; the
charted consciousness shows a person's round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloud.alarm.query.answers import News2Now
from vitals.alarm_events import AlarmEvent, Inactivation, Priority
from vitals.engine.rules.news2_condition import HIGH_TOTAL, MEDIUM_TOTAL

HOUR_MS: Final = 3_600_000


class Rhythm(StrEnum):
    """Frequency of observations."""

    TWELVE_HOURS = "12h"
    FOUR_HOURS = "4h"
    HOUR = "1h"
    CONTINUOUS = "continuous"


WAIT_MS: Final = {Rhythm.TWELVE_HOURS: 12 * HOUR_MS, Rhythm.FOUR_HOURS: 4 * HOUR_MS, Rhythm.HOUR: HOUR_MS}
"""The chart has 4 to 6 hours; the shorter one is used. With continuous monitoring a round is due each hour."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The next round of observations.

    Attributes:
        rhythm: Frequency of the present score.
        due: UTC epoch ms; None if consciousness was never charted, and it is due now.
        missing: Measured inputs of NEWS2 that are absent or too old.
    """

    rhythm: Rhythm
    due: int | None
    missing: tuple[str, ...]


def observation(score: News2Now | None, charted: int) -> Observation | None:
    """Returns the next round; None for a patient without NEWS2.

    Args:
        score: Present score.
        charted: Last charting of consciousness, UTC epoch ms; 0 without one.
    """
    if score is None:
        return None
    rhythm = rhythm_of(score)
    missing = tuple(part for part in score.missing if part != "consciousness")
    return Observation(rhythm, charted + WAIT_MS.get(rhythm, HOUR_MS) if charted else None, missing)


def rhythm_of(score: News2Now) -> Rhythm:
    """Returns the frequency of a score by the chart."""
    if score.total >= HIGH_TOTAL:
        return Rhythm.CONTINUOUS
    if score.total >= MEDIUM_TOTAL or score.risk == "low-medium":
        return Rhythm.HOUR
    return Rhythm.FOUR_HOURS if score.total else Rhythm.TWELVE_HOURS


def unacknowledged(active: Sequence[AlarmEvent]) -> list[AlarmEvent]:
    """Returns the alarms of medium and high priority without an acknowledgement, the most urgent and oldest first."""
    waiting = [e for e in active if e.inactivation is not Inactivation.ACKNOWLEDGED and e.priority > Priority.LOW]
    return sorted(waiting, key=lambda e: (-e.priority, e.start))
