"""Getting one message out: attempts with doubling pauses, then the other channel. No call holds up another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.channels.sns import MessageChannel, Receipt, RenderedMessage, SendError
from cloud.notify.throttle import Message
from vitals.contacts import Contact

FIRST_PAUSE_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Delivered:
    """How a message fared.

    Attributes:
        message: The message.
        texts: What it said.
        sent: What SNS accepted; None when every channel failed.
        accepted: When it was accepted, or every channel had failed, UTC epoch ms.
        error: Why it was not accepted, or what failed before the other channel.
    """

    message: Message
    texts: RenderedMessage
    sent: Receipt | None
    accepted: int
    error: str | None = None


@dataclass(slots=True)
class _Attempt:
    message: Message
    texts: RenderedMessage
    number: int
    due: int
    again: bool
    future: Future[tuple[Receipt, int]] | None = None
    error: str = ""


@dataclass(slots=True)
class Delivery:
    """Messages under way.

    Attributes:
        sender: Reaches people.
        pool: Threads for its calls.
        attempts: Tries before the other channel.
        clock: Wall clock, UTC epoch ms.
        limit: Messages that may be under way at once.
    """

    sender: MessageChannel
    pool: ThreadPoolExecutor
    attempts: int
    clock: Callable[[], int]
    limit: int = 8
    _open: list[_Attempt] = field(default_factory=list)

    def prepare(self, contact: Contact) -> None:
        """Makes a contact's channels ready in the background; what fails shows when it is needed."""
        self.pool.submit(self.sender.prepare, contact)

    def begin(self, message: Message, texts: RenderedMessage, now: int, *, again: bool = False) -> None:
        """Starts on a message; one that is tried `again` has one attempt and the other channel, without a pause."""
        self._open.append(_Attempt(message, texts, self.attempts if again else 1, now, again))

    def collect(self, now: int) -> Iterator[Delivered]:
        """Yields messages that are done: sent, or refused by every channel."""
        still: list[_Attempt] = []
        for attempt in self._open:
            done = self._judge(attempt, now) if attempt.future is not None and attempt.future.done() else None
            if done is None:
                still.append(attempt)
            else:
                yield done
        self._open = still

    def launch(self, now: int) -> None:
        """Starts attempts that are due; call it once what `collect` gave is on record.

        So no more than `limit` messages are ever sent and not yet recorded, whenever a crash comes. Fresh ones go
        first, and half of the places are theirs alone: what is tried again may hang as it did before.
        """
        free = self.limit - sum(attempt.future is not None for attempt in self._open)
        due = [attempt for attempt in self._open if attempt.future is None and now >= attempt.due]
        fresh = [attempt for attempt in due if not attempt.again][: max(free, 0)]
        repeated = [attempt for attempt in due if attempt.again][: max(free - len(fresh) - self.limit // 2, 0)]
        for attempt in (*fresh, *repeated):
            attempt.future = self.pool.submit(self._send, attempt)

    def _send(self, attempt: _Attempt) -> tuple[Receipt, int]:
        contact = attempt.message.contact
        last = attempt.number > self.attempts
        send = self.sender.send_directly if last else self.sender.send
        return send(contact, attempt.texts), self.clock()

    def _judge(self, attempt: _Attempt, now: int) -> Delivered | None:
        assert attempt.future is not None  # noqa: S101 - the caller has looked
        try:
            sent, accepted = attempt.future.result()
        except SendError as error:
            attempt.error = f"{attempt.error}; {error}" if attempt.number > self.attempts else str(error)
            if attempt.number > self.attempts:
                return Delivered(attempt.message, attempt.texts, None, now, attempt.error)
            attempt.due = now + (FIRST_PAUSE_MS << (attempt.number - 1) if attempt.number < self.attempts else 0)
            attempt.number += 1
            attempt.future = None
            return None
        return Delivered(attempt.message, attempt.texts, sent, accepted, attempt.error or None)

    def __len__(self) -> int:
        return len(self._open)
