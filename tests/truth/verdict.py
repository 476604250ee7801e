"""A life played and judged in one go, for benchmarks and tests."""

from typing import Final

import numpy as np

from tests.truth.judge import judge
from tests.truth.judging.fewest import fewest
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.live import Life, Script, live
from tests.truth.people import ANSWERS_MS, Habit

LEAST_IN_AN_HOUR: Final = 4
"""The fewest pages of one patient in an hour count as so many: a ratio to one or two says nothing."""


def verdict(script: Script) -> dict[str, float]:
    """Returns the judge's rows of one life, and `load.*`: its load as a ratio to the fewest pages (R12)."""
    played = live(script)
    life, acts = life_of(played.arrays), [*map(act_of, played.acts)]
    found = judge(life, [*map(message_of, played.messages)], acts).rows
    answers_s = ANSWERS_MS / 1000 if script.people is Habit.ACKNOWLEDGES else None
    least = judge(life, *fewest(life, answers_s, [act for act in acts if act.act == "standby"])).rows
    return found | load(found, least) | apart(played)


def apart(played: Life) -> dict[str, float]:
    """Returns the false messages of patients whom the default limits fit, and of those whom they do not fit."""
    fits = played.arrays["fits"]
    found: dict[str, float] = {}
    for name, chosen in (("fits", np.flatnonzero(fits)), ("unfit", np.flatnonzero(~fits))):
        if not len(chosen):
            continue
        patients = set(played.arrays["patients"][chosen].tolist())
        arrays = {key: value if value.ndim == 0 else value[chosen] for key, value in played.arrays.items()}
        messages = [message_of(m) for m in played.messages if m.get("patient") in patients]
        acts = [act_of(act) for act in played.acts if act["patient"] in patients]
        rows = judge(life_of(arrays), messages, acts).rows
        for row in ("false_per_patient_day", "false_high_per_patient_day", "messages_per_patient_day", "unpaged"):
            found[f"{name}.{row}"] = rows[f"truth.{row}"]
    return found


def load(rows: dict[str, float], least: dict[str, float]) -> dict[str, float]:
    """Returns the load of a life as ratios to that of the fewest pages on it."""
    messages, p90, hour = (
        f"truth.{name}"
        for name in ("messages_per_patient_day", "pages_per_deterioration_p90", "most_in_an_hour_of_one_patient")
    )
    return {
        "load.messages": rows[messages] / (least[messages] + 1),
        "load.pages_per_deterioration_p90": rows[p90] / max(least[p90], 1),
        "load.most_in_an_hour": rows[hour] / max(least[hour], LEAST_IN_AN_HOUR),
    }


def rows(life: Life) -> dict[str, float]:
    """Returns the judge's rows of a life that is over."""
    return judge(life_of(life.arrays), [*map(message_of, life.messages)], [*map(act_of, life.acts)]).rows
