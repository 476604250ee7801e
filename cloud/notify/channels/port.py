"""Port of the channels to contacts: one file of this folder per channel, and one contract suite for all of them.

An adapter of `ChannelAdapter` raises `SendError` only. Its text names the channel and never an address, because it
becomes a log line, an alarm's text, a row of the lake and an e-mail.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from vitals.contact_standing import Standing
from vitals.contacts import Channel, Contact

_ADDRESS: Final = re.compile(r"[a-z]+://\S+|[^\s@'\"<(]+@[^\s@'\">)]+|\+\d[\d ()-]{2,}\d", re.IGNORECASE)


class SendError(Exception):
    """A message was not accepted; the text has the refused call and the cause, without addresses."""

    def __init__(self, text: str) -> None:
        super().__init__(_ADDRESS.sub("(address)", text))


class NoChannelError(SendError):
    """None of a contact's channels reaches the person: repeating the attempt at once is useless."""


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """One message, rendered for every channel.

    Attributes:
        subject: Subject of the e-mail, and title of a push message.
        sms: Text of the SMS, one part in its alphabet.
        email: Body of the e-mail.
        outbox: JSON that a subscribed queue and a webhook receive.
        channels: Channels to send by.
    """

    subject: str
    sms: str
    email: str
    outbox: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Acceptance of a message by a channel's service.

    Attributes:
        id: The service's message id.
        channels: Channels of the message.
    """

    id: str
    channels: tuple[Channel, ...]


class MessageChannel(Protocol):
    """Sends messages to contacts. Called from several threads."""

    def prepare(self, contact: Contact) -> None:
        """Requests that a contact's channels are made ready and checked; returns at once."""

    def release(self, contact: str) -> None:
        """Removes the channels of a contact who has left, those that were never confirmed, too.

        Raises:
            SendError: A service refused it.
        """

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """Sends by all channels at once.

        Raises:
            SendError: It was not accepted.
        """

    def send_directly(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """Sends by a channel that does not depend on the topic and subscriptions of `send`.

        Raises:
            SendError: It was not accepted, or the contact has no such channel.
        """


class ChannelAdapter(Protocol):
    """One service that carries messages. Called from several threads."""

    @property
    def kinds(self) -> frozenset[Channel]:
        """Returns the channels that it serves."""

    def check(self, contact: Contact) -> Mapping[Channel, Standing]:
        """Prepares a contact's addresses, and returns the standing of each channel that the contact has.

        Raises:
            SendError: The service does not answer.
        """

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """Sends by those of `texts.channels` that it serves.

        Raises:
            SendError: The service refused the message, did not answer in time, or the contact has no address for it.
        """
