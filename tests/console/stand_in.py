"""Answers like `cloud.console.live.ray_client_process`, from files and without Ray.

Usage: `python -m tests.console.stand_in FOLDER SHARDS`.

Each shard's answer is a file `0`, `1`, …; a file `refuse` makes it answer an error, a file `die` makes it end.
"""

import sys
from pathlib import Path

import msgspec

from cloud.console.live.ray_client_process import Answer, Question, read, write


def main(arguments: list[str]) -> int:
    folder, shards = Path(arguments[0]), int(arguments[1])
    while (data := read(sys.stdin.buffer)) is not None:
        question = msgspec.msgpack.decode(data, type=Question)
        if (folder / "die").exists():
            return 1
        if (folder / "refuse").exists():
            write(sys.stdout.buffer, Answer(error="an actor is away"))
            continue
        (folder / "asked").write_text(repr(question.known))
        write(sys.stdout.buffer, Answer(tuple((folder / str(n)).read_bytes() for n in range(shards))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
