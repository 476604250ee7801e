"""Load of four nurses with assigned beds, by the project's judge: `make bench ONLY=nurses`.

Thirty beds at 30 s cadence, 58 % of the patients ill, and a charge nurse beside four nurses, who acknowledge after a
minute; each has a quarter of the beds, and the next one as buddy. Seeds come from the hash of the commit; the worst
ward counts. `nurses.messages_ratio`: messages an hour to the most-told nurse over a quarter of the floor's, which is
the fewest pages that satisfy the requirements on the same life. `nurses.charge_per_hour` has technical messages, too.
"""

import os
import subprocess
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

from tests.bench.bench_truth import seeds
from tests.truth.judge import judge
from tests.truth.judging.fewest import fewest
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.live import Script, live
from tests.truth.people import ANSWERS_MS
from tests.truth.play import CHARGE, NURSE

WARDS, HOURS = int(os.environ.get("NURSES_WARDS", "10")), int(os.environ.get("NURSES_HOURS", "12"))
BEDS, NURSES, CADENCE_S = 30, 4, 30
GOALS: Final = {"nurses.messages_ratio": 1.5, "nurses.charge_per_hour": 2.0, "nurses.unpaged": 0.0}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607 - the git in force
    drawn = seeds(commit, WARDS)
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(figures, drawn))
    worst = {name: max(range(WARDS), key=lambda k: found[k][name]) for name in GOALS}
    return [
        {
            "name": name, "value": round(found[k][name], 2), "unit": "count", "goal": GOALS[name], "better": "lower",
            "note": f"ward {drawn[k]}, the worst of {WARDS}; {HOURS} h; {found[k]['nurses.per_hour']:.2f} an hour",
        }
        for name, k in worst.items()
    ]  # fmt: skip


def figures(seed: int) -> dict[str, float]:
    """Returns the figures of one ward."""
    played = live(Script(seed, CADENCE_S, BEDS, HOURS, nurses=NURSES))
    life, acts = life_of(played.arrays), [*map(act_of, played.acts)]
    messages = [*map(message_of, played.messages)]
    least, _ = fewest(life, ANSWERS_MS / 1000)
    floor = Counter(message.to for message in least).most_common(1)[0][1] / HOURS / NURSES
    told = Counter(message.to for message in messages)
    nurse = max(told[f"{NURSE}-{k}"] for k in range(NURSES)) / HOURS
    return {
        "nurses.per_hour": nurse,
        "nurses.messages_ratio": nurse / floor,
        "nurses.charge_per_hour": told[CHARGE] / HOURS,
        "nurses.unpaged": judge(life, messages, acts).rows["truth.unpaged"],
    }
