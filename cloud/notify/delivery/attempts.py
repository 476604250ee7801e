"""Delivery of a message: attempts with doubling pauses, then the fallback channel. No call blocks another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.channels.port import MessageChannel, NoChannelError, Receipt, RenderedMessage, SendError
from cloud.notify.delivery.throttle import Message
from vitals.contacts import Contact

FIRST_PAUSE_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Delivered:
    """Outcome of a delivery.

    Attributes:
        message: The message.
        texts: Rendered message.
        sent: Receipt of SNS; None if every channel failed.
        accepted: Time of acceptance or of the last channel's failure, UTC epoch ms.
        error: Failure of every channel, or of those before the fallback channel.
        no_channel: True if none of the contact's channels reaches the person.
    """

    message: Message
    texts: RenderedMessage
    sent: Receipt | None
    accepted: int
    error: str | None = None
    no_channel: bool = False


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
    """Messages in flight.

    Attributes:
        sender: Channel to the contacts.
        pool: Threads for its calls.
        attempts: Attempts before the fallback channel.
        clock: Wall clock, UTC epoch ms.
        limit: Maximum number of messages in flight.
    """

    sender: MessageChannel
    pool: ThreadPoolExecutor
    attempts: int
    clock: Callable[[], int]
    limit: int = 8
    _open: list[_Attempt] = field(default_factory=list)

    def prepare(self, contact: Contact) -> None:
        """Prepares a contact's channels in the background; a failure is reported when a message needs them."""
        self.sender.prepare(contact)

    def release(self, contact: str) -> None:
        """Removes the channels of a contact who has left, in the background."""
        self.pool.submit(self.sender.release, contact)

    def begin(self, message: Message, texts: RenderedMessage, now: int, *, again: bool = False) -> None:
        """Starts a message; with `again` it has one attempt and then the fallback channel, without a pause."""
        self._open.append(_Attempt(message, texts, self.attempts if again else 1, now, again))

    def collect(self, now: int) -> Iterator[Delivered]:
        """Yields finished messages: accepted, or refused by every channel."""
        still: list[_Attempt] = []
        for attempt in self._open:
            done = self._judge(attempt, now) if attempt.future is not None and attempt.future.done() else None
            if done is None:
                still.append(attempt)
            else:
                yield done
        self._open = still

    def launch(self, now: int) -> None:
        """Starts due attempts; call it after the results of `collect` are recorded.

        So at most `limit` messages are ever sent and not yet recorded if the process crashes. New messages go first,
        and half of the places are reserved for them, because a retried message may hang as it did before.
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
        except NoChannelError as error:
            return Delivered(attempt.message, attempt.texts, None, now, str(error), no_channel=True)
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
