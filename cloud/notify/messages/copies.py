"""Text of a copy to the contact of the duty before, which counts as no notification."""

from dataclasses import replace

from cloud.notify.channels.port import RenderedMessage
from cloud.notify.delivery.throttle import Message
from cloud.notify.messages import sms_part
from cloud.notify.messages.templates import MAX_SUBJECT
from cloud.wording import Wording
from vitals.contacts import MessageKind


def marked(message: Message, texts: RenderedMessage, wording: Wording) -> RenderedMessage:
    """Returns the texts of a message, marked as a copy if every item is one; a long SMS has no link."""
    if any(item.kind is not MessageKind.COURTESY for item in message.items):
        return texts
    prefix, reason = wording("copy"), wording("copy.reason")
    sms = sms_part.fitted("", (prefix + texts.sms, prefix + texts.sms.rpartition(" ")[0]))
    return replace(texts, subject=(prefix + texts.subject)[:MAX_SUBJECT], sms=sms, email=f"{reason}\n\n{texts.email}")
