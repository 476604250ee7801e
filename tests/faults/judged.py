"""What a storm kept of patients' lives and of what was told of them, before the judge."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.truth import real
from tests.truth.judge import Judgement, judge
from tests.truth.judging.life import act_of, lines_of, message_of, read_life


def judged(life: Path, say: Callable[[str], None]) -> Judgement:
    """Makes a life of what `tests.bench.path.run_files` kept in a folder, and judges it."""
    say(json.dumps(real.convert(life)))
    messages = [message_of(line) for line in lines_of(life / "messages.jsonl")]
    return judge(read_life(life / "life.npz"), messages, [act_of(line) for line in lines_of(life / "acts.jsonl")])
