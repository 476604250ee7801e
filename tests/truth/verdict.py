"""A life played and judged in one go, for benchmarks and tests."""

from tests.truth.judge import judge
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.live import Life, Script, live


def verdict(script: Script) -> dict[str, float]:
    """Returns the judge's rows of one life."""
    return rows(live(script))


def rows(life: Life) -> dict[str, float]:
    """Returns the judge's rows of a life that is over."""
    return judge(life_of(life.arrays), [*map(message_of, life.messages)], [*map(act_of, life.acts)]).rows
