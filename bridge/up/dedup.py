"""Repeated batches, recognised by their bytes: a gateway resends a batch until it is confirmed. Pure.

After an outage of Kafka or of this bridge, the broker holds several copies of each batch. Writing all of them would
multiply the time that later parts need to catch up. A repeat of an evicted batch is written again; every part that
stores readings drops repeats by identity.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from bridge.up.validate import BatchId

REMEMBERED: Final = 1 << 17
"""Batches: two minutes of a million patients, one reading each half minute, 30 in a batch; some 40 MB if full."""
_DIGEST_BYTES: Final = 16


class SentBatch(msgspec.Struct):
    """A batch that was sent to Kafka.

    Attributes:
        number: Number to confirm.
        stored: Whether Kafka holds all of it.
    """

    number: BatchId | None = None
    stored: bool = False


class RepeatedBatches:
    """Batches sent to Kafka recently.

    Args:
        remembered: Maximum number of batches to keep.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._sent: OrderedDict[bytes, SentBatch] = OrderedDict()

    def find(self, gateway: str, payload: bytes) -> tuple[bytes, SentBatch | None]:
        """Returns the digest of a gateway's payload, and the earlier batch with the same digest, if any."""
        digest = blake2b(b"\0".join((gateway.encode(), payload)), digest_size=_DIGEST_BYTES).digest()
        return digest, self._sent.get(digest)

    def remember(self, digest: bytes, number: BatchId | None) -> SentBatch:
        """Notes that a batch is sent to Kafka; `stored` of the result is set when Kafka has it."""
        sent = self._sent[digest] = SentBatch(number)
        if len(self._sent) > self._remembered:
            self._sent.popitem(last=False)
        return sent
