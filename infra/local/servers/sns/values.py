"""What the stand-in knows of topics and subscriptions, and the errors that it answers with."""

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
EMAILS_KEPT: Final = 64
E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
Attributes = Mapping[str, tuple[str, ...]]
"""A message's attributes: the strings of each."""


class SnsError(Exception):
    """An answer that is an error.

    Args:
        code: AWS's word for it.
        status: HTTP status.
        message: What is wrong.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status, self.message = code, status, message


STATUS: Final[Mapping[str, int]] = {
    "AuthorizationError": 403,
    "EndpointDisabled": 400,
    "InternalError": 500,
    "InvalidAction": 400,
    "InvalidParameter": 400,
    "NotFound": 404,
    "ServiceUnavailable": 503,
    "Throttled": 429,
    "ThrottlingException": 400,
}
"""HTTP status of each error that there is."""


def error(code: str, message: str) -> SnsError:
    """Returns an error with AWS's status for its code."""
    return SnsError(code, STATUS[code], message)


def invalid(what: str) -> SnsError:
    """Returns what AWS says of a parameter that it does not take."""
    return error("InvalidParameter", f"Invalid parameter: {what}")


class Standing(StrEnum):
    """State of a subscription."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    DEACTIVATED = "deactivated"
    REMOVED = "removed"

    @property
    def why(self) -> str:
        """Why nothing goes to it."""
        return {
            Standing.CONFIRMED: "",
            Standing.PENDING: "pending confirmation",
            Standing.DEACTIVATED: "deactivated: more e-mails than SNS sends in a second",
            Standing.REMOVED: "unsubscribed by its receiver",
        }[self]


@dataclass(slots=True)
class Subscription:
    """One address on one topic.

    Attributes:
        arn: Its ARN, which is told of it only while it is confirmed.
        topic: ARN of the topic.
        protocol: Sms, email or sqs.
        endpoint: Number, address, or ARN of a queue.
        token: Confirms it.
        standing: How it stands.
        attributes: As they were set.
        policy: Strings of which a message's attribute must have one, by attribute.
        sent: When the last e-mails went, s of a monotonic clock.
    """

    arn: str
    topic: str
    protocol: str
    endpoint: str
    token: str
    standing: Standing
    attributes: dict[str, str] = field(default_factory=dict)
    policy: Attributes = field(default_factory=dict)
    sent: deque[float] = field(default_factory=lambda: deque(maxlen=EMAILS_KEPT))

    @property
    def listed(self) -> str:
        """Returns what stands for its ARN in lists."""
        if self.standing is Standing.CONFIRMED:
            return self.arn
        return "Deleted" if self.standing is Standing.REMOVED else "PendingConfirmation"

    @property
    def redrive(self) -> str | None:
        """Returns the ARN of the queue for what cannot be delivered."""
        if "RedrivePolicy" not in self.attributes:
            return None
        return str(json.loads(self.attributes["RedrivePolicy"])["deadLetterTargetArn"])

    def set(self, name: str, value: str) -> None:
        """Sets an attribute.

        Raises:
            SnsError: There is no such attribute, or it cannot be so.
        """
        if name == "FilterPolicy":
            self.policy = policy(value)
        elif name == "FilterPolicyScope":
            if value != "MessageAttributes":
                raise invalid("Attributes Reason: FilterPolicyScope: this stand-in knows MessageAttributes alone")
        elif name == "RedrivePolicy":
            _redrive(value)
        elif name not in {"RawMessageDelivery", "DeliveryPolicy"}:
            raise invalid("AttributeName")
        self.attributes[name] = value

    def wants(self, attributes: Attributes) -> bool:
        """Returns whether a message with these attributes passes the filter."""
        return all(set(wanted) & set(attributes.get(name, ())) for name, wanted in self.policy.items())


def policy(value: str) -> Attributes:
    """Reads a filter policy of exact strings.

    Raises:
        SnsError: It is none, or has more than exact strings.
    """
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    exact = isinstance(found, dict) and all(
        isinstance(wanted, list) and all(isinstance(one, str) for one in wanted) for wanted in found.values()
    )
    if not exact:
        raise invalid("FilterPolicy: this stand-in knows lists of exact strings alone")
    return {name: tuple(wanted) for name, wanted in found.items()}


def _redrive(value: str) -> None:
    try:
        target = json.loads(value)["deadLetterTargetArn"]
    except (ValueError, TypeError, KeyError):
        target = ""
    if not str(target).startswith("arn:aws:sqs:"):
        raise invalid("RedrivePolicy: deadLetterTargetArn must be the ARN of a queue")


def check_endpoint(protocol: str, endpoint: str) -> None:
    """Checks an address.

    Raises:
        SnsError: It is none of its protocol.
    """
    if protocol == "sms":
        if not E164.fullmatch(endpoint):
            raise invalid(f"Invalid SMS endpoint: {endpoint}")
    elif protocol == "email":
        if not EMAIL.fullmatch(endpoint):
            raise invalid("Email address")
    elif protocol == "sqs":
        if not endpoint.startswith("arn:aws:sqs:"):
            raise invalid("SQS endpoint ARN")
    else:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
