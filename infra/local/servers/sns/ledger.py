"""Outcomes of messages: those that reached a device, and those accepted but undelivered. Bounded."""

import threading
from collections import Counter, deque
from collections.abc import Iterable

import msgspec


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A message on a person's device, or in a queue.

    Attributes:
        t: Time, UTC epoch ms.
        endpoint: Number, address, or ARN of a queue.
        protocol: Sms, email or sqs.
        topic: ARN of the topic; empty for a message to the number itself.
        message_id: Id that `Publish` returned.
        text: Text for this protocol.
        subject: Subject of an e-mail.
    """

    t: int
    endpoint: str
    protocol: str
    topic: str
    message_id: str
    text: str
    subject: str = ""


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was accepted and reached no device.

    Attributes:
        t: Time of the failure, UTC epoch ms.
        endpoint: As of `Reached`; empty if there was no subscription.
        protocol: As of `Reached`.
        topic: As of `Reached`.
        message_id: Id that `Publish` returned.
        reason: Reason.
        queue: ARN of the queue in which it is kept; None: nowhere.
    """

    t: int
    endpoint: str
    protocol: str
    topic: str
    message_id: str
    reason: str
    queue: str | None = None


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """An e-mail that requests the confirmation of a subscription; it is not counted as a message.

    Attributes:
        t: Time, UTC epoch ms.
        endpoint: Address.
        topic: ARN of the topic.
        token: For `ConfirmSubscription`.
    """

    t: int
    endpoint: str
    topic: str
    token: str


class Ledger:
    """The last `keep` entries of each kind; adding one is O(1).

    Args:
        keep: Number of entries per kind.
    """

    def __init__(self, keep: int) -> None:
        self._lock = threading.Lock()
        self._reached: deque[Reached] = deque(maxlen=keep)
        self._undelivered: deque[Undelivered] = deque(maxlen=keep)
        self._confirmations: deque[Confirmation] = deque(maxlen=keep)
        self._counts: Counter[str] = Counter()

    def note(self, told: Reached | Undelivered | Confirmation) -> None:
        """Adds an entry."""
        with self._lock:
            if isinstance(told, Reached):
                self._reached.append(told)
            elif isinstance(told, Undelivered):
                self._undelivered.append(told)
            else:
                self._confirmations.append(told)
            self._counts[type(told).__name__.lower()] += 1

    def count(self, what: str) -> None:
        """Counts an answer by its kind: `accepted`, an error's code, `lost`."""
        with self._lock:
            self._counts[what] += 1

    def reached(self) -> list[Reached]:
        """Returns the delivered messages, in order."""
        with self._lock:
            return list(self._reached)

    def undelivered(self) -> list[Undelivered]:
        """Returns the undelivered messages, in order."""
        with self._lock:
            return list(self._undelivered)

    def confirmations(self) -> list[Confirmation]:
        """Returns the requests for confirmation, in order."""
        with self._lock:
            return list(self._confirmations)

    def counts(self) -> dict[str, int]:
        """Returns the number of entries of each kind since the start, evicted ones included."""
        with self._lock:
            return dict(self._counts)


def lines(told: Iterable[msgspec.Struct]) -> bytes:
    """Returns JSON lines."""
    encoder = msgspec.json.Encoder()
    return b"".join(encoder.encode(one) + b"\n" for one in told)
