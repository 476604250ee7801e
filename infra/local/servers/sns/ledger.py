"""What became of messages: what reached somebody's device, and what was accepted and did not. The last so many."""

import threading
from collections import Counter, deque
from collections.abc import Iterable

import msgspec


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A message on somebody's device, or in a queue.

    Attributes:
        t: When, UTC epoch ms.
        endpoint: Number, address, or ARN of a queue.
        protocol: Sms, email or sqs.
        topic: ARN of the topic; empty for one to the number itself.
        message_id: As `Publish` told it.
        text: What is read there.
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
        t: When that was clear, UTC epoch ms.
        endpoint: As of `Reached`; empty where nobody was subscribed.
        protocol: As of `Reached`.
        topic: As of `Reached`.
        message_id: As `Publish` told it.
        reason: Why.
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
    """An e-mail that asks to confirm a subscription: no message, and counted as none.

    Attributes:
        t: When, UTC epoch ms.
        endpoint: Address.
        topic: ARN of the topic.
        token: For `ConfirmSubscription`.
    """

    t: int
    endpoint: str
    topic: str
    token: str


class Ledger:
    """Keeps the last `keep` of each kind; to note one takes as long however many there are.

    Args:
        keep: How many of each kind.
    """

    def __init__(self, keep: int) -> None:
        self._lock = threading.Lock()
        self._reached: deque[Reached] = deque(maxlen=keep)
        self._undelivered: deque[Undelivered] = deque(maxlen=keep)
        self._confirmations: deque[Confirmation] = deque(maxlen=keep)
        self._counts: Counter[str] = Counter()

    def note(self, told: Reached | Undelivered | Confirmation) -> None:
        """Takes in what happened."""
        with self._lock:
            if isinstance(told, Reached):
                self._reached.append(told)
            elif isinstance(told, Undelivered):
                self._undelivered.append(told)
            else:
                self._confirmations.append(told)
            self._counts[type(told).__name__.lower()] += 1

    def count(self, what: str) -> None:
        """Counts an answer by its word: `accepted`, an error's code, `lost`."""
        with self._lock:
            self._counts[what] += 1

    def reached(self) -> list[Reached]:
        """Returns what reached somebody, in order."""
        with self._lock:
            return list(self._reached)

    def undelivered(self) -> list[Undelivered]:
        """Returns what was accepted and reached nobody, in order."""
        with self._lock:
            return list(self._undelivered)

    def confirmations(self) -> list[Confirmation]:
        """Returns what asks to confirm a subscription, in order."""
        with self._lock:
            return list(self._confirmations)

    def counts(self) -> dict[str, int]:
        """Returns how much there was of each since the start, what is no longer kept included."""
        with self._lock:
            return dict(self._counts)


def lines(told: Iterable[msgspec.Struct]) -> bytes:
    """Returns JSON lines."""
    encoder = msgspec.json.Encoder()
    return b"".join(encoder.encode(one) + b"\n" for one in told)
