"""Delivery of SMS, by SNS's delivery status logs in CloudWatch Logs. SNS has none for e-mail."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config

from cloud.notify.channels.port import SendError
from cloud.notify.channels.sns_subscriptions import call

TIMEOUT_S: Final = 10
PAGES: Final = 50
"""Pages of one read; later events wait for the next read."""
OPTED_OUT: Final = "opted out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one SMS.

    Attributes:
        id: SNS message id.
        delivered: Whether the carrier has delivered it.
        reason: The carrier's or SNS's response, without addresses.
        t: Time of the log event, UTC epoch ms.
    """

    id: str
    delivered: bool
    reason: str
    t: int

    @property
    def opted_out(self) -> bool:
        """Returns whether the number has opted out."""
        return not self.delivered and OPTED_OUT in self.reason.lower()


class SmsDeliveryLog:
    """Reader of the log groups.

    Args:
        groups: Names of the log groups.
        endpoint: Address of CloudWatch Logs if it is not AWS's own.
    """

    def __init__(self, groups: tuple[str, ...], endpoint: str | None) -> None:
        config = Config(connect_timeout=2, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2})
        self._logs: Any = boto3.client("logs", endpoint_url=endpoint, config=config)
        self._groups = groups

    def read(self, since: int) -> list[Outcome]:
        """Returns the outcomes that were logged since a time, UTC epoch ms, oldest first, without unreadable events.

        Raises:
            SendError: CloudWatch Logs does not answer.
        """
        found = (outcome for group in self._groups for outcome in self._read(group, since))
        return sorted(found, key=lambda outcome: outcome.t)

    def _read(self, group: str, since: int) -> Iterator[Outcome]:
        token: dict[str, str] = {}
        for _ in range(PAGES):
            try:
                fields = {"logGroupName": group, "startTime": since, **token}
                answer = call(f"delivery log {group}", self._logs.filter_log_events, **fields)
            except SendError as error:
                # SNS creates the group with its first message.
                if "ResourceNotFoundException" in str(error):
                    return
                raise
            for event in answer.get("events", ()):
                found = _outcome(event)
                if found is not None:
                    yield found
            if "nextToken" not in answer:
                return
            token = {"nextToken": answer["nextToken"]}


def _outcome(event: dict[str, Any]) -> Outcome | None:
    try:
        text = json.loads(event["message"])
        reason = str(SendError(str(text.get("delivery", {}).get("providerResponse", ""))))
        return Outcome(str(text["notification"]["messageId"]), text["status"] == "SUCCESS", reason, event["timestamp"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
