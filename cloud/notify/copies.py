"""Text of a copy to the contact of the duty before, which counts as no notification."""

from dataclasses import replace
from typing import Final

from cloud.notify import sms_part
from cloud.notify.channels.port import RenderedMessage
from cloud.notify.templates import MAX_SUBJECT
from cloud.notify.throttle import Message
from vitals.contacts import MessageKind

PREFIX: Final = "Copy: "
REASON: Final = (
    "Your duty is over. The present contact has not confirmed yet that messages arrive, so you receive a copy."
)


def marked(message: Message, texts: RenderedMessage) -> RenderedMessage:
    """Returns the texts of a message, marked as a copy if every item is one; a long SMS has no link."""
    if any(item.kind is not MessageKind.COURTESY for item in message.items):
        return texts
    sms = sms_part.fitted("", (PREFIX + texts.sms, PREFIX + texts.sms.rpartition(" ")[0]))
    subject = (PREFIX + texts.subject)[:MAX_SUBJECT]
    return replace(texts, subject=subject, sms=sms, email=f"{REASON}\n\n{texts.email}")
