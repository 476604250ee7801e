"""The process that queries Ray: `python -m cloud.console.live.ray_client_process ADDRESS`. The ward page starts it.

Ray ends a process whose cluster has gone. A page must outlive the state tier to say that it is down, so whoever joins
Ray is a process of its own. It reads questions from its standard input and writes answers, both MessagePack behind a
length of four bytes.
"""

import os
import struct
import sys
from typing import Any, BinaryIO, Final

import msgspec

from cloud.alarm.ray import cluster

ASK_WITHIN_S: Final = 2.0
_LENGTH: Final = struct.Struct(">I")


class Question(msgspec.Struct, frozen=True):
    """Epoch and revision of each shard's last answer."""

    known: tuple[tuple[str, int], ...]


class Answer(msgspec.Struct, frozen=True):
    """The shards' answers as bytes, or an error."""

    now: tuple[bytes, ...] = ()
    error: str = ""


def write(stream: BinaryIO, message: Question | Answer) -> None:
    """Writes a message."""
    data = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read(stream: BinaryIO) -> bytes | None:
    """Returns the next message's bytes; None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return stream.read(_LENGTH.unpack(head)[0])


class _Shards:
    """The actors, looked up again when one is missing."""

    def __init__(self, ray: Any, count: int) -> None:  # noqa: ANN401 - the module ray
        self._ray, self._count = ray, count
        self._handles: list[Any] = []

    def ask(self, question: Question) -> Answer:
        try:
            if not self._handles:
                self._handles = [self._ray.get_actor(cluster.shard_name(n)) for n in range(self._count)]
            known = (*question.known, *[("", 0)] * self._count)[: self._count]
            asked = [h.now.remote(epoch=e, since=r) for h, (e, r) in zip(self._handles, known, strict=True)]
            return Answer(tuple(self._ray.get(asked, timeout=ASK_WITHIN_S)))
        except (ValueError, self._ray.exceptions.RayError) as error:
            self._handles = []
            return Answer(error=str(error).splitlines()[0])


def main(arguments: list[str]) -> int:
    """Answers until its standard input ends."""
    address, count = arguments[0], int(arguments[1])
    # Ray's own words must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        ray = cluster.join(address, os.environ.get("RAY_AUTH_TOKEN"))
    except (ConnectionError, RuntimeError) as error:
        write(answers, Answer(error=str(error).splitlines()[0]))
        return 1
    shards = _Shards(ray, count)
    while (data := read(sys.stdin.buffer)) is not None:
        write(answers, shards.ask(msgspec.msgpack.decode(data, type=Question)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
