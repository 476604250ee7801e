"""Delivery status logs of SMS as CloudWatch Logs returns them: `FilterLogEvents` of AWS's JSON protocol.

SNS writes one event for each SMS, by topic and to a number itself, into one log group for delivered and one for failed
messages. [Developer Guide, "Amazon SNS SMS delivery monitoring with Amazon CloudWatch metrics and logs"]
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from infra.local.servers.sns.ledger import Reached, Undelivered
from infra.local.servers.sns.values import ACCOUNT, REGION

DELIVERED: Final = f"sns/{REGION}/{ACCOUNT}/DirectPublishToPhoneNumber"
FAILED: Final = f"{DELIVERED}/Failure"
TARGET: Final = "Logs_20140328.FilterLogEvents"
PAGE: Final = 10_000


def filter_log_events(
    asked: Mapping[str, object], messages: Iterable[Reached | Undelivered]
) -> dict[str, object] | None:
    """Returns a page of events, and the token of the next one; None if there is no such log group.

    Args:
        asked: The call's fields.
        messages: SMS that reached a phone or did not, in order.
    """
    group = str(asked.get("logGroupName") or asked.get("logGroupIdentifier") or "")
    if group not in {DELIVERED, FAILED}:
        return None
    begin, end = _integer(asked.get("startTime"), 0), _integer(asked.get("endTime"), 1 << 62)
    kind = Reached if group == DELIVERED else Undelivered
    found = [m for m in messages if isinstance(m, kind) and m.protocol == "sms" and begin <= m.t < end]
    first = _integer(asked.get("nextToken"), 0)
    size = min(_integer(asked.get("limit"), PAGE), PAGE)
    events = [_event(message, group, first + k) for k, message in enumerate(found[first : first + size])]
    more = first + size < len(found)
    return {"events": events, "searchedLogStreams": []} | ({"nextToken": str(first + size)} if more else {})


def _event(message: Reached | Undelivered, group: str, number: int) -> dict[str, object]:
    failed = isinstance(message, Undelivered)
    reason = message.reason if isinstance(message, Undelivered) else "Message has been accepted by phone carrier"
    at = datetime.fromtimestamp(message.t / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    text = {
        "notification": {"messageId": message.message_id, "timestamp": at},
        "delivery": {
            "numberOfMessageParts": 1,
            "destination": message.endpoint,
            "priceInUSD": 0.00645,
            "smsType": "Transactional",
            "providerResponse": reason,
            "dwellTimeMs": 599,
        },
        "status": "FAILURE" if failed else "SUCCESS",
    }
    where = {"logStreamName": message.message_id, "eventId": f"{group}/{number}"}
    return {**where, "timestamp": message.t, "ingestionTime": message.t, "message": json.dumps(text)}


def _integer(value: object, default: int) -> int:
    return int(str(value)) if value is not None and str(value).isdigit() else default
