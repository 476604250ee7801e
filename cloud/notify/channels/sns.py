"""SNS: one topic per contact, SMS and e-mail subscribed, one publish for both. The default channel of every contact."""

import json
import logging
from typing import Any, Final

import boto3
from botocore.config import Config

from cloud.notify.channels.port import Receipt, RenderedMessage, SendError
from cloud.notify.channels.sns_subscriptions import SnsSubscriptions, call
from vitals.contact_standing import Standing
from vitals.contacts import Channel, Contact

logger = logging.getLogger(__name__)
TIMEOUT_S: Final = 5
KINDS: Final = frozenset((Channel.SMS, Channel.EMAIL))


class SnsChannel:
    """`ChannelAdapter` on SNS.

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
        outbox = self._outbox if outbox_url else None
        self._subscriptions = SnsSubscriptions(self._sns, outbox, undelivered_arn)

    @property
    def kinds(self) -> frozenset[Channel]:
        """See `ChannelAdapter.kinds`."""
        return KINDS

    def check(self, contact: Contact, *, ask: bool = False) -> dict[Channel, Standing]:
        """See `ChannelAdapter.check`."""
        return self._subscriptions.check(contact, ask=ask)

    def release(self, contact: str) -> None:
        """See `ChannelAdapter.release`: deletes the topic with its subscriptions, those that are pending, too."""
        self._subscriptions.release(contact)

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `ChannelAdapter.send`."""
        topic, refused = self._subscriptions.topic(contact)
        wanted = [channel for channel in texts.channels if channel in KINDS]
        by = tuple(channel for channel in wanted if channel not in refused)
        if not by:
            raise SendError("; ".join(refused.values()) or f"{contact.contact} has no address at SNS")
        message = {"default": texts.sms, "sms": texts.sms, "email": texts.email, "sqs": texts.outbox}
        kinds = [channel.value for channel in by]
        attributes = {"channels": {"DataType": "String.Array", "StringValue": json.dumps(kinds)}}
        answer = call(
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
        """Sends an SMS to the phone number itself, without a topic.

        Raises:
            SendError: It was not accepted, or the contact has no phone number.
        """
        if contact.phone is None:
            raise SendError(f"{contact.contact} has no other channel")
        what = f"SMS to {contact.contact}"
        answer = call(what, self._sns.publish, PhoneNumber=contact.phone, Message=texts.sms)
        return Receipt(answer["MessageId"], (Channel.SMS,))

    def _outbox(self) -> str:
        if not self._outbox_arn:
            sqs: Any = self._sqs
            what = f"queue {self._outbox_url}"
            found = call(what, sqs.get_queue_attributes, QueueUrl=self._outbox_url, AttributeNames=["QueueArn"])
            self._outbox_arn = str(found["Attributes"]["QueueArn"])
        return self._outbox_arn
