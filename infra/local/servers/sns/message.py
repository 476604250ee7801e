"""A message as it was published, and its limits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.local.servers.sns.values import Attributes, invalid

MESSAGE_BYTES: Final = 256 * 1024
SUBJECT: Final = 100


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was published.

    Attributes:
        id: Its id.
        topic: ARN of the topic; empty for one to a number.
        texts: What is read, by protocol, with a `default`.
        subject: Subject of its e-mail.
        attributes: By which subscriptions filter.
    """

    id: str
    topic: str
    texts: Mapping[str, str]
    subject: str = ""
    attributes: Attributes = field(default_factory=dict)

    def text(self, protocol: str) -> str:
        """Returns what is read by a protocol."""
        return self.texts.get(protocol, self.texts["default"])


def envelope(message: Message) -> str:
    """Returns what a queue holds of a message that it does not take raw."""
    told = {"Type": "Notification", "MessageId": message.id, "TopicArn": message.topic, "Subject": message.subject}
    return json.dumps(told | {"Message": message.texts["default"]})


def check(texts: Mapping[str, str], subject: str) -> None:
    """Checks a message.

    Raises:
        SnsError: AWS would not take it.
    """
    if any(not text for text in texts.values()):
        raise invalid("Empty message")
    if sum(len(text.encode()) for text in texts.values()) > MESSAGE_BYTES:
        raise invalid("Message too long")
    if len(subject) > SUBJECT or any(ord(letter) < ord(" ") for letter in subject):
        raise invalid("Subject")
