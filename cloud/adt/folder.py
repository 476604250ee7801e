"""ADT messages in files: `*.hl7` of a folder, in the order of their names."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from vitals.hl7.mllp import START

MAX_FILE: Final = 64 << 20
_BEGINS: Final = re.compile(rb"(?:^|(?<=[\r\n\x0b]))MSH")
_BATCH: Final = re.compile(rb"[\r\n](?:BTS|FTS|BHS|FHS)[^\r\n]*")


def split(raw: bytes) -> Iterator[bytes]:
    """Yields the messages of a file, with or without MLLP frames or the headers of a batch."""
    starts = [match.start() for match in _BEGINS.finditer(raw)]
    for begin, end in zip(starts, [*starts[1:], len(raw)], strict=False):
        yield _BATCH.sub(b"", raw[begin:end]).strip(b"\x1c\r\n" + START)


def take(folder: Path, receive: Callable[[bytes], bytes]) -> int:
    """Reads the files of a folder; returns the number of messages.

    Senders write a file under another name and renames it, so that no half file is read. A file that was read moves
    to `done`, with the acknowledgements beside it; one without a message, or too large, moves to `refused`. After a
    crash it is read again, which changes nothing.

    Raises:
        KafkaUnavailableError: A message is not stored; the file stays.
        OSError: The folder cannot be read or written.
    """
    count = 0
    for path in sorted(folder.glob("*.hl7")):
        messages = list(split(path.read_bytes())) if path.stat().st_size <= MAX_FILE else []
        answers = [receive(message) for message in messages]
        target = folder / ("done" if messages else "refused")
        target.mkdir(exist_ok=True)
        (target / f"{path.name}.ack").write_bytes(b"".join(answers))
        path.replace(target / path.name)
        count += len(messages)
    return count
