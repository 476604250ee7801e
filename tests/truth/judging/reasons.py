"""Messages for which there was no reason in the patient's true state (R11)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from tests.truth.judging.breaches import KINDS, Levels, kept, levels
from tests.truth.judging.due import JUST_BEFORE, REPEAT_COUNTS, Due
from tests.truth.judging.life import (
    CIRCULATION,
    HIGH,
    HR,
    MEDIUM,
    MINUTE,
    NOT_MONITORED,
    RR,
    SBP,
    SCORE,
    SECOND,
    SPO2,
    TEMP,
    Bed,
    Floats,
    Message,
)
from tests.truth.judging.told import NAMING, Mail

BEFORE, AFTER = 90 * SECOND, 60 * SECOND
LATELY: Final = 30 * MINUTE
AT_ONCE: Final = 5 * SECOND
Borne: TypeAlias = dict[str, Levels]

# NEWS2 of the Royal College of Physicians, 2017: upper bounds of the bands in whole numbers (temperature in tenths),
# and the points of each band, the last one open. Scale 1, on air, alert: the arrays know nothing else.
CHART: Final = {
    RR: ((8, 11, 20, 24), (3, 1, 0, 2, 3)),
    SPO2: ((91, 93, 95), (3, 2, 1, 0)),
    SBP: ((90, 100, 110, 219), (3, 2, 1, 0, 3)),
    HR: ((40, 50, 90, 110, 130), (3, 1, 0, 1, 2, 3)),
    TEMP: ((35.0, 36.0, 38.0, 39.0), (3, 1, 0, 1, 2)),
}
MOST_URGENT, URGENT, SINGLE = 7, 5, 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Objection to one message; `varied` tells whether a faultless device showed the breach."""

    message: Message
    false: bool = False
    varied: bool = False
    overstates: bool = False
    misnames: bool = False


def news2(values: Floats) -> Levels:
    """Returns HIGH for a score of 7, MEDIUM for 5 or a single 3, else 0, (m,), from (m, 8) values."""
    points = []
    for sign, (upper, given) in CHART.items():
        value = np.round(values[:, sign], 1 if sign == TEMP else 0)
        scored = np.array(given)[np.searchsorted(upper, value, side="left")]
        points.append(np.where(np.isnan(value), 0, scored))
    total, single = np.sum(points, axis=0), np.max(points, axis=0)
    found = np.where((total >= URGENT) | (single >= SINGLE), MEDIUM, 0)
    return np.where(total >= MOST_URGENT, HIGH, found).astype(np.int8)


def borne_out(bed: Bed, values: Floats) -> Borne:
    """The level, (m,), of each problem that (m, 8) values bear out."""
    standing = kept(bed, values, REPEAT_COUNTS)
    return {
        CIRCULATION: np.where(bed.pulse, 0, HIGH).astype(np.int8),
        NOT_MONITORED: np.where(bed.heard, 0, HIGH).astype(np.int8),
        SCORE: news2(standing),
        **{name: levels(kind, standing, bed.limits) for name, kind in KINDS.items()},
    }


def calling(mail: Mail) -> list[Message]:
    """The messages that need a reason: what tells or names, at medium or high, and what is technical and high."""
    least = {**dict.fromkeys(NAMING, MEDIUM), "technical": HIGH}
    return [m for m in mail.all if m.kind in least and m.level >= least[m.kind]]


def once(messages: Sequence[Message]) -> Iterator[Message]:
    """Yields one message of those that say the same to several people at once."""
    last: dict[tuple[frozenset[str], int], int] = {}
    for m in messages:
        said = (m.names, m.level)
        if said not in last or m.t - last[said] > AT_ONCE:
            last[said] = m.t
            yield m


def verdicts(bed: Bed, dues: Sequence[Due], mail: Mail) -> Iterator[Verdict]:
    """Yields the verdict on each message about one patient that needs a reason.

    Args:
        bed: The patient.
        dues: What was due of the patient.
        mail: The messages about the patient.
    """
    state, device = borne_out(bed, bed.state), borne_out(bed, bed.shown)
    for m in once(calling(mail)):
        yield _verdict(bed, m, dues, state, device)


def _verdict(bed: Bed, m: Message, dues: Sequence[Due], state: Borne, device: Borne) -> Verdict:
    named = m.names or {CIRCULATION}  # a call that names nothing is borne out by nothing less
    early, long_ago, after = np.searchsorted(bed.t, [m.t - BEFORE - bed.cadence, m.t - LATELY, m.t + AFTER])

    def reaches(borne: Borne, name: str, first: int, level: int) -> bool:
        return bool((borne[name][first:after] >= level).any())

    wanted = any(d.problem in named and d.begins - JUST_BEFORE <= m.t <= d.until + AFTER for d in dues)
    if not wanted and not any(reaches(state, name, early, MEDIUM) for name in named):
        return Verdict(m, false=True, varied=any(reaches(device, name, early, MEDIUM) for name in named))
    # What goes on is handed over as it was told, half an hour ago perhaps.
    since = early if m.kind == "page" else long_ago
    both = (state, device)
    return Verdict(
        m,
        overstates=m.level == HIGH and not any(reaches(b, name, since, HIGH) for name in named for b in both),
        misnames=any(not any(reaches(b, name, long_ago, MEDIUM) for b in both) for name in named),
    )
