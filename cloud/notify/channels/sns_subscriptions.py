"""A contact's SNS topic and subscriptions: made, checked, and brought to the present addresses.

SNS accepts a message to a topic with no subscription that reaches a person. A subscription by e-mail is pending until
the person confirms it; a mail scanner that follows the link at its end removes it, and more than ten
e-mails a second set it back to pending. A number that has answered STOP stays subscribed. So each check lists them.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloud.notify.channels.port import SendError
from vitals.contact_standing import Standing
from vitals.contacts import CANARY, Channel, Contact

logger = logging.getLogger(__name__)
PENDING: Final = "PendingConfirmation"


class SnsSubscriptions:
    """Topics and subscriptions. Called from several threads.

    Args:
        sns: SNS's client.
        outbox_arn: Returns the ARN of the queue that receives a copy of every message; None for no queue.
        undelivered_arn: ARN of the queue for messages that SNS accepted and could not deliver.
    """

    def __init__(
        self,
        sns: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        outbox_arn: Callable[[], str] | None,
        undelivered_arn: str | None,
    ) -> None:
        self._sns = sns
        self._outbox_arn = outbox_arn
        self._redrive = json.dumps({"deadLetterTargetArn": undelivered_arn}) if undelivered_arn else None
        self._topics: dict[str, tuple[str, Contact]] = {}
        self._refused: dict[str, dict[Channel, str]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def topic(self, contact: Contact) -> tuple[str, Mapping[Channel, str]]:
        """Returns the topic's ARN, and the error text of each channel that SNS refuses.

        Raises:
            SendError: SNS does not make the topic or its subscriptions.
        """
        arn, known = self._topics.get(contact.contact, ("", None))
        if known is not None and (known.phone, known.email) == (contact.phone, contact.email):
            # Without the lock, which a check may hold while SNS is slow.
            return arn, self._refused.get(contact.contact, {})
        with self._locks.setdefault(contact.contact, threading.Lock()):
            arn, known = self._topics.get(contact.contact, ("", None))
            if known is None or (known.phone, known.email) != (contact.phone, contact.email):
                self._check(contact, ask=False)
                # An address that SNS refuses is tried again with the next message.
                arn = self._topics[contact.contact][0]
                if self._refused[contact.contact]:
                    del self._topics[contact.contact]
            return arn, self._refused.get(contact.contact, {})

    def release(self, contact: str) -> None:
        """Deletes the topic of a former contact with its subscriptions, those that are pending, too.

        Raises:
            SendError: SNS refuses it.
        """
        with self._locks.setdefault(contact, threading.Lock()):
            self._topics.pop(contact, None)
            what = f"topic of the former contact {contact}"
            # Creating a topic that exists returns its name.
            arn = call(what, self._sns.create_topic, Name=f"wardwatch-{contact}")["TopicArn"]
            call(what, self._sns.delete_topic, TopicArn=arn)
            logger.info("%s: deleted with its subscriptions", what)

    def check(self, contact: Contact, *, ask: bool = False) -> dict[Channel, Standing]:
        """Returns the standing of phone and e-mail, after subscribing those that are not.

        Args:
            contact: The contact.
            ask: Send one more request to confirm an unconfirmed e-mail address.

        Raises:
            SendError: SNS does not answer.
        """
        with self._locks.setdefault(contact.contact, threading.Lock()):
            found = self._check(contact, ask=ask)
        if contact.phone and found.get(Channel.SMS) is Standing.READY:
            what = f"opt-out of {contact.contact} by sms"
            answer = call(what, self._sns.check_if_phone_number_is_opted_out, phoneNumber=contact.phone)
            if answer["isOptedOut"]:
                found[Channel.SMS] = Standing.OPTED_OUT
        return found

    def _check(self, contact: Contact, *, ask: bool) -> dict[Channel, Standing]:
        what = f"topic of {contact.contact}"
        arn = str(call(what, self._sns.create_topic, Name=f"wardwatch-{contact.contact}")["TopicArn"])
        _, former = self._topics.get(contact.contact, ("", None))
        again = former is not None and (former.phone, former.email) == (contact.phone, contact.email)
        found: dict[Channel, Standing] = {}
        refused: dict[Channel, str] = {}
        for protocol, endpoint, attributes, listed in self._wanted(arn, contact):
            error = ""
            if listed.startswith("arn:"):
                self._redirect(contact, listed, attributes)
                standing = Standing.READY
            elif listed and protocol == "email" and not ask:
                standing = Standing.PENDING if listed == PENDING else Standing.GONE
            else:
                standing, error = self._subscribe(arn, contact, (protocol, endpoint), attributes)
                if again and standing is Standing.READY:
                    # Ready from now on: what was accepted since the last check is lost.
                    standing = Standing.GONE
            if protocol != "sqs":
                found[Channel(protocol)] = standing
                refused |= {Channel(protocol): error} if error else {}
        self._refused[contact.contact] = refused
        self._topics[contact.contact] = arn, contact
        return found

    def _wanted(self, arn: str, contact: Contact) -> list[tuple[str, str, dict[str, str], str]]:
        """Returns protocol, address, attributes and listed ARN of each subscription; ends those of former addresses."""
        if contact.contact == CANARY:
            return []
        wanted = {
            (protocol, endpoint): _filter(protocol) | ({"RedrivePolicy": self._redrive} if self._redrive else {})
            for protocol, endpoint in (("sms", contact.phone), ("email", contact.email))
            if endpoint
        }
        if self._outbox_arn is not None:
            wanted["sqs", self._outbox_arn()] = {"RawMessageDelivery": "true"}
        listed = dict.fromkeys(wanted, "")
        for subscription in self._subscriptions(arn, contact):
            key = subscription["Protocol"], subscription["Endpoint"]
            if key in wanted:
                listed[key] = subscription["SubscriptionArn"]
            elif key[0] in {"sms", "email"} and subscription["SubscriptionArn"].startswith("arn:"):
                # A former address may belong to another person now.
                what = f"unsubscribe a former {key[0]} address of {contact.contact}"
                call(what, self._sns.unsubscribe, SubscriptionArn=subscription["SubscriptionArn"])
        return [(*key, attributes, listed[key]) for key, attributes in wanted.items()]

    def _subscribe(
        self, arn: str, contact: Contact, address: tuple[str, str], attributes: dict[str, str]
    ) -> tuple[Standing, str]:
        """Subscribes an address; returns its standing, and SNS's error if it refuses the address."""
        protocol, endpoint = address
        what = f"subscribe {contact.contact} by {protocol}"
        fields = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes}
        try:
            answer = call(what, self._sns.subscribe, **fields)
        except SendError as error:
            logger.warning("%s", error)
            return Standing.REFUSED, str(error)
        if str(answer["SubscriptionArn"]).startswith("arn:"):
            return Standing.READY, ""
        return (Standing.PENDING if protocol == "email" else Standing.GONE), ""

    def _redirect(self, contact: Contact, subscription: str, attributes: dict[str, str]) -> None:
        """Sets the redrive policy of a subscription that is older than the setting."""
        known = self._topics.get(contact.contact)
        if "RedrivePolicy" in attributes and (known is None or known[1] != contact):
            fields = {"AttributeName": "RedrivePolicy", "AttributeValue": attributes["RedrivePolicy"]}
            what = f"redrive policy of {contact.contact}"
            call(what, self._sns.set_subscription_attributes, SubscriptionArn=subscription, **fields)

    def _subscriptions(self, arn: str, contact: Contact) -> list[dict[str, str]]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic")
        found: list[dict[str, str]] = call(
            f"list subscriptions of {contact.contact}",
            lambda: [s for page in pages.paginate(TopicArn=arn) for s in page["Subscriptions"]],
        )
        return found


def _filter(channel: str) -> dict[str, str]:
    # Set once at subscription and never changed: a change would need up to 15 minutes to act.
    return {"FilterPolicy": json.dumps({"channels": [channel]}), "FilterPolicyScope": "MessageAttributes"}


def call(what: str, function: Callable[..., Any], **arguments: object) -> Any:  # noqa: ANN401 - boto3's answers
    """Calls AWS; every failure is a `SendError` that begins with `what`."""
    try:
        return function(**arguments)
    except (BotoCoreError, ClientError) as error:
        raise SendError(f"{what}: {error}") from error
