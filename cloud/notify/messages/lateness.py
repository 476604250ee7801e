"""Age of a late message's alarm, in its texts."""

from dataclasses import replace
from typing import Final

from cloud.notify.channels.port import RenderedMessage
from cloud.notify.delivery.throttle import Message
from cloud.notify.messages import sms_part
from cloud.notify.messages.templates import MAX_SUBJECT

MINUTE_MS: Final = 60_000


def late_words(message: Message, late_ms: int, now: int) -> str:
    """Returns "began 9 min ago" if the most urgent event of a message is late; "" otherwise.

    Args:
        message: The message.
        late_ms: Age from which an event is late.
        now: UTC epoch ms.
    """
    event = message.items[0].event
    minutes = (now - event.start) // MINUTE_MS
    return f"began {minutes} min ago" if now - event.log_t > late_ms and event.start and minutes else ""


def said_late(words: str, texts: RenderedMessage) -> RenderedMessage:
    """Returns the texts of a message with the age of its alarm; a long SMS has no link."""
    if not words:
        return texts
    body, space, link = texts.sms.rpartition(" ")
    with_link = (f"{body}, {words} {link}",) if "://" in link else ()
    rest = body if with_link and space else texts.sms
    sms = sms_part.fitted("", (*with_link, f"{rest}, {words}", f"{words.capitalize()}: {rest}"))
    return replace(
        texts,
        sms=sms,
        subject=f"{texts.subject}, {words}"[:MAX_SUBJECT],
        email=f"{words.capitalize()}.\n\n{texts.email}",
    )
