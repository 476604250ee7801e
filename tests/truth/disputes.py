"""Small lives of which this judge and the reference judge say different things, with the text that decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.truth.judging.points import Point
from tests.truth.small import Small

Both = tuple[float, float]


@dataclass(frozen=True)
class Dispute:
    """One life of which the two judges differ.

    Attributes:
        point: What they read differently.
        text: The words of the requirements that decide.
        tale: What happens in the life, and what each of the judges makes of it.
        life: Makes the life, its messages and its acts.
        rows: Every row in which they differ: ours, theirs.
    """

    point: Point
    text: str
    tale: str
    life: Callable[[], Small]
    rows: dict[str, Both]


def _unpaged(ours: int, theirs: int, detail: str, *more: str) -> dict[str, Both]:
    """Rows of one thing that one judge calls unpaged; `more` are further rows that count it."""
    return dict.fromkeys(("truth.unpaged", f"detail.unpaged.{detail}", *more), (ours, theirs))


def _cuff(*values: tuple[int, float]) -> Small:
    life = Small(line=False)
    for place, value in values:
        life.put("sbp", place, value)
    return life


def _slow_repeat() -> Small:
    made = _cuff((10, 120), (20, 84), (60, 84), (70, 120))
    return made.say(60.5, "pressure-low", priority="medium").do(61, "acknowledge", "pressure-low")


def _one_handover() -> Small:
    made = Small().put("hr", 20, *[150.0] * 60).say(21, "rate-high")
    return made.say(25, "rate-high", kind="handover", to="doctor")


def _three_rises() -> Small:
    high, medium = [150.0] * 2, [130.0] * 22
    life = Small().put("hr", 20, *high, *medium, *high, *medium, *high).put("hr", 74, *[75.0] * 4, *high)
    for place in (21, 45, 69):
        life.say(place, "rate-high").do(place + 0.5, "acknowledge", "rate-high")
    return life


DISPUTES: Final = (
    Dispute(
        Point.NAMES,
        "Told is a message which names the problem.",
        "The heart stops for five minutes and the page says `rate-low`. Ours: circulation was told to nobody. Theirs: "
        "no beat is the lowest rate.",
        lambda: Small().stop(20, 10).say(21.5, "rate-low").do(22, "acknowledge", "circulation"),
        _unpaged(1, 0, "begins.circulation", "truth.arrest_untold"),
    ),
    Dispute(
        Point.NAMES,
        "Told is a message which names the problem; a technical message tells it, and nothing else.",
        "Nothing is heard for six minutes of a patient whose heart beats, and the page says `circulation`. Ours: that "
        "the patient is not monitored was told to nobody. Theirs: lost signs say more.",
        lambda: Small().lose(20, 12).say(24, "circulation").do(24.5, "acknowledge", "not-monitored"),
        _unpaged(1, 0, "begins.not-monitored", "truth.not_monitored_untold"),
    ),
    Dispute(
        Point.EARLY,
        "Told is a message that went after the problem's onset, or at most 120 s before it.",
        "A page names circulation 60 s before the loss. Ours: told. Theirs: 5 s before a loss is the most.",
        lambda: Small().stop(20, 10).say(18, "circulation").do(18.5, "acknowledge", "circulation"),
        _unpaged(0, 1, "begins.circulation", "truth.arrest_untold"),
    ),
    Dispute(
        Point.MINUTE,
        "Half of the readings of a minute, of four at least, beyond an extreme bound is high too.",
        "At 30 s a breathing rate is 38, 15 and 38 again: two of the last four readings are beyond the extreme bound. "
        "Ours: high is due. Theirs: only minutes that begin with the problem count, and this one is over before its "
        "fourth reading.",
        lambda: Small().put("rr", 20, 38, 15, 38),
        _unpaged(1, 0, "begins.breathing-high", "truth.due"),
    ),
    Dispute(
        Point.CUFF_WAIT,
        "A cuff beyond a limit is medium when confirmed, or after 15 min without a repeat.",
        "A cuff finds 84 and, 20 min later, 84 again; the page goes with the second. Ours: due after 15 min, so late. "
        "Theirs: due with the second value, told in time.",
        _slow_repeat,
        {"truth.late": (1, 0), "detail.late.begins.pressure-low": (1, 0)},
    ),
    Dispute(
        Point.RECOVERY,
        "Told is a message that went after any recovery; a problem ends with 60 s within limits.",
        "Breathing fails at 30 s, comes back for a minute and fails again. The one page goes 12 s after the last "
        "reading of the first failure. Ours: the second failure was told to nobody. Theirs: the page was after the "
        "last reading beyond the limits, so it tells both.",
        lambda: Small().put("rr", 20, 4, 4, 15, 15, 4, 4).say(21.4, "breathing-low"),
        _unpaged(1, 0, "recurs.breathing-low", "truth.recurrence_untold"),
    ),
    Dispute(
        Point.ITS_TIME,
        "A medium problem that becomes high within its time is one onset; a lost reading gives 30 s more.",
        "At 30 s a rate of 130 loses its second reading, is confirmed with the third and is 145 in the fourth and "
        "fifth, 60 s after the medium was due and within its 70 s. Ours: one onset, high. Theirs: two.",
        lambda: Small().put("hr", 20, 130, 130, 130, 145, 145, 145).lose(21).say(24.5, "rate-high"),
        {"truth.due": (1, 2), "truth.late": (0, 1), "detail.late.begins.rate-high": (0, 1)},
    ),
    Dispute(
        Point.SERIAL,
        "A high problem that returns is told each time; from the third return within 30 min on, once in ten minutes.",
        "A rate is high three times within one problem that lasts 25 min, is well for two minutes and returns: the "
        "first return, which nobody is told. Ours: unpaged. Theirs: three times high within 30 min, joined.",
        _three_rises,
        {**_unpaged(1, 0, "recurs.rate-high", "truth.recurrence_untold"), "truth.joined": (0, 1)},
    ),
    Dispute(
        Point.GOES_ON,
        "A high problem that goes on unacknowledged is handed over every two minutes; after the last contact every "
        "ten.",
        "A high rate goes on for half an hour, acknowledged by nobody: a page, a handover after two minutes, then "
        "nothing. Ours: not handed over. Theirs: the first handover is the only one that is looked for.",
        _one_handover,
        {"truth.not_handed_over": (1, 0)},
    ),
    Dispute(
        Point.SHORT_PULSE,
        "Circulation lost is high 10 s after the first reading that shows the loss; a pulse of less than 60 s does not "
        "end it.",
        "At 1 Hz circulation is lost for 8 s, back for 4 s and lost for 8 s. Ours: due 12 s after the first reading, "
        "with the first one after 10 s that shows the loss. Theirs: a new loss each time, too short both times.",
        lambda: Small(200, 1).stop(60, 8).stop(72, 8),
        _unpaged(1, 0, "begins.circulation", "truth.due", "truth.arrest_untold"),
    ),
    Dispute(
        Point.SILENCE,
        "Without a usable reading for 3 cadences and 40 s it is told within a further 30 s.",
        "At 30 s nothing is heard for 180 s, 50 s longer than the 130 s after which it is due. Ours: due. Theirs: due "
        "only where a silent round comes more than 30 s after it.",
        lambda: Small().lose(21, 5),
        _unpaged(1, 0, "begins.not-monitored", "truth.due", "truth.not_monitored_untold"),
    ),
)
