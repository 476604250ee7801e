"""Batches that came before, told by their bytes: a gateway sends one again until it hears that it is stored. Pure.

After an outage of Kafka, or of this bridge, the broker holds several copies of each batch. To write all of them would
make everything behind the bridge catch up for several times as long. What is forgotten is written again, and everything
that keeps readings drops repeats by identity.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from bridge.up.validate import BatchId

REMEMBERED: Final = 1 << 17
"""Batches: two minutes of a million patients at one reading a half minute, 30 in a batch; some 40 MB when full."""
_DIGEST_BYTES: Final = 16


class SentBatch(msgspec.Struct):
    """A batch that went to the log.

    Attributes:
        number: What confirms it.
        stored: Whether the log holds all of it.
    """

    number: BatchId | None = None
    stored: bool = False


class RepeatedBatches:
    """What was sent to the log lately.

    Args:
        remembered: How many batches are remembered.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._sent: OrderedDict[bytes, SentBatch] = OrderedDict()

    def find(self, gateway: str, payload: bytes) -> tuple[bytes, SentBatch | None]:
        """Returns what names these bytes of this gateway, and what became of them when they came before."""
        digest = blake2b(b"\0".join((gateway.encode(), payload)), digest_size=_DIGEST_BYTES).digest()
        return digest, self._sent.get(digest)

    def remember(self, digest: bytes, number: BatchId | None) -> SentBatch:
        """Notes that a batch goes to the log; its `stored` is set when the log has it."""
        sent = self._sent[digest] = SentBatch(number)
        if len(self._sent) > self._remembered:
            self._sent.popitem(last=False)
        return sent
