"""Port to contacts, and its SNS adapter: one topic per contact, SMS and e-mail subscribed, one publish for both."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vitals.contacts import CANARY, Channel, Contact

logger = logging.getLogger(__name__)
TIMEOUT_S: Final = 5


class SendError(Exception):
    """A message was not accepted; the text contains the refused call and the cause."""


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """One message, rendered for every channel.

    Attributes:
        subject: Subject of the e-mail.
        sms: Text of the SMS, at most 140 bytes.
        email: Body of the e-mail.
        outbox: JSON that a subscribed queue receives.
        channels: Channels to send by.
    """

    subject: str
    sms: str
    email: str
    outbox: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Acceptance of a message by SNS.

    Attributes:
        id: SNS message id.
        channels: Channels of the message.
    """

    id: str
    channels: tuple[Channel, ...]


class MessageChannel(Protocol):
    """Sends messages to contacts. Called from several threads."""

    def prepare(self, contact: Contact) -> None:
        """Creates a contact's topic and subscriptions, so that the first message is as fast as later ones."""

    def release(self, contact: str) -> None:
        """Removes the topic and subscriptions of a contact who has left; unconfirmed ones, too.

        Raises:
            SendError: It was refused.
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


class SnsChannel:
    """`MessageChannel` on SNS.

    Args:
        endpoint: Address of SNS and SQS if it is not AWS's own.
        outbox_url: URL of an SQS queue that receives a copy of every message.
        undelivered_arn: ARN of an SQS queue that receives messages that SNS accepted and then could not deliver.
        sns_endpoint: Address of SNS, if it differs from that of SQS.
    """

    def __init__(
        self,
        endpoint: str | None,
        outbox_url: str | None,
        undelivered_arn: str | None = None,
        sns_endpoint: str | None = None,
    ) -> None:
        # `Delivery` retries, because it knows the fallback channel.
        config = Config(
            connect_timeout=2, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1}, max_pool_connections=32
        )
        self._sns = boto3.client("sns", endpoint_url=sns_endpoint or endpoint, config=config)
        self._sqs = boto3.client("sqs", endpoint_url=endpoint, config=config) if outbox_url else None
        self._outbox_url, self._outbox_arn = outbox_url, ""
        self._redrive = json.dumps({"deadLetterTargetArn": undelivered_arn}) if undelivered_arn else None
        self._topics: dict[str, tuple[str, Contact]] = {}
        self._refused: dict[str, dict[str, str]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def prepare(self, contact: Contact) -> None:
        """See `MessageChannel.prepare`."""
        self._topic(contact)

    def release(self, contact: str) -> None:
        """See `MessageChannel.release`."""
        with self._locks.setdefault(contact, threading.Lock()):
            self._topics.pop(contact, None)
            what = f"topic of {contact}, who has left"
            # Creating a topic that exists returns its name, and deleting it ends confirmed and pending subscriptions.
            arn = _call(what, self._sns.create_topic, Name=f"wardwatch-{contact}")["TopicArn"]
            _call(what, self._sns.delete_topic, TopicArn=arn)
            logger.info("%s: deleted with its subscriptions", what)

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `MessageChannel.send`."""
        topic = self._topic(contact)
        refused = self._refused.get(contact.contact, {})
        by = tuple(channel for channel in texts.channels if channel.value not in refused)
        if not by:
            raise SendError("; ".join(refused.values()))
        message = {"default": texts.sms, "sms": texts.sms, "email": texts.email, "sqs": texts.outbox}
        kinds = [channel.value for channel in by]
        attributes = {"channels": {"DataType": "String.Array", "StringValue": json.dumps(kinds)}}
        answer = _call(
            f"publish to {contact.contact}",
            self._sns.publish,
            TopicArn=topic,
            Message=json.dumps(message),
            Subject=texts.subject,
            MessageStructure="json",
            MessageAttributes=attributes,
        )
        return Receipt(answer["MessageId"], by)

    def send_directly(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `MessageChannel.send_directly`: an SMS to the phone number, without a topic."""
        if contact.phone is None:
            raise SendError(f"{contact.contact} has no other channel")
        what = f"SMS to {contact.contact}"
        answer = _call(what, self._sns.publish, PhoneNumber=contact.phone, Message=texts.sms)
        return Receipt(answer["MessageId"], (Channel.SMS,))

    def _topic(self, contact: Contact) -> str:
        with self._locks.setdefault(contact.contact, threading.Lock()):
            arn, known = self._topics.get(contact.contact, ("", None))
            if known is not None and (known.phone, known.email) == (contact.phone, contact.email):
                return arn
            what = f"topic of {contact.contact}"
            arn = str(_call(what, self._sns.create_topic, Name=f"wardwatch-{contact.contact}")["TopicArn"])
            self._refused[contact.contact] = self._subscribe(arn, contact)
            if not self._refused[contact.contact]:
                self._topics[contact.contact] = arn, contact
            return arn

    def _subscribe(self, arn: str, contact: Contact) -> dict[str, str]:
        """Subscribes a contact's addresses and unsubscribes former ones, which may belong to another person now.

        Returns:
            Error text of each refused channel. If SNS refuses the number, the e-mail is still sent, and the number is
                retried with the next message.
        """
        if contact.contact == CANARY:
            return {}
        wanted: dict[tuple[str, str], dict[str, str]] = {}
        if contact.phone:
            wanted["sms", contact.phone] = _filter("sms")
        if contact.email:
            wanted["email", contact.email] = _filter("email")
        if self._sqs is not None:
            wanted["sqs", self._outbox(self._sqs)] = {"RawMessageDelivery": "true"}
        for (protocol, _), attributes in wanted.items():
            if self._redrive and protocol != "sqs":
                attributes["RedrivePolicy"] = self._redrive
        for subscription in self._subscriptions(arn):
            key = subscription["Protocol"], subscription["Endpoint"]
            if key in wanted:
                self._redirect(subscription["SubscriptionArn"], wanted.pop(key))
            elif key[0] in {"sms", "email"} and subscription["SubscriptionArn"].startswith("arn:"):
                former = subscription["SubscriptionArn"]
                _call(f"unsubscribe {key}", self._sns.unsubscribe, SubscriptionArn=former)
        refused: dict[str, str] = {}
        for (protocol, endpoint), attributes in wanted.items():
            what = f"subscribe {contact.contact} by {protocol}"
            fields = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes}
            try:
                _call(what, self._sns.subscribe, **fields)
            except SendError as error:
                logger.warning("%s", error)
                refused[protocol] = str(error)
        return refused

    def _redirect(self, subscription: str, attributes: dict[str, str]) -> None:
        """Sets the redrive policy of a subscription that is older than the setting."""
        if "RedrivePolicy" in attributes and subscription.startswith("arn:"):
            fields = {"AttributeName": "RedrivePolicy", "AttributeValue": attributes["RedrivePolicy"]}
            what = f"redrive policy of {subscription}"
            _call(what, self._sns.set_subscription_attributes, SubscriptionArn=subscription, **fields)

    def _subscriptions(self, arn: str) -> list[dict[str, str]]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic")
        found: list[dict[str, str]] = _call(
            "list subscriptions",
            lambda: [s for page in pages.paginate(TopicArn=arn) for s in page["Subscriptions"]],
        )
        return found

    def _outbox(self, sqs: Any) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
        if not self._outbox_arn:
            what = f"queue {self._outbox_url}"
            found = _call(what, sqs.get_queue_attributes, QueueUrl=self._outbox_url, AttributeNames=["QueueArn"])
            self._outbox_arn = str(found["Attributes"]["QueueArn"])
        return self._outbox_arn


def _filter(channel: str) -> dict[str, str]:
    # Set once at subscription and never changed: a change would need up to 15 minutes to act.
    return {"FilterPolicy": json.dumps({"channels": [channel]}), "FilterPolicyScope": "MessageAttributes"}


def _call(what: str, function: Callable[..., Any], **arguments: object) -> Any:  # noqa: ANN401 - boto3's answers
    try:
        return function(**arguments)
    except (BotoCoreError, ClientError) as error:
        raise SendError(f"{what}: {error}") from error
