"""Messages up other than readings and status: actions at the bed, and rejected messages.

An acknowledgement or a standby at the bed stops the paging too, so it is resent until it returns as an action from
Kafka through the bridge. Rejected messages are sent once and at a bounded rate; the status counts them, and the card
stores them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from vitals.actions import Act, Action
from vitals.status import Rejected

RESEND_S: Final = 5.0
FORGET_S: Final = 900.0
"""Age at which an unsent acknowledgement is dropped: the escalation has passed by then."""
REFUSALS: Final = 20
"""Most rejected messages in one uplink message."""
REFUSALS_EVERY_S: Final = 5.0
REFUSED_BYTES: Final = 1_024
"""Bytes sent of each payload; the card stores more."""
TOPIC, REASON = 256, 512
"""Characters sent of its topic and of its reason: an MQTT topic may be longer than a whole uplink message."""


class SideMessages:
    """Queue of acknowledgements and rejected messages to send."""

    def __init__(self) -> None:
        self._pressed: dict[str, tuple[bytes, float, float]] = {}
        self._refused: deque[Rejected] = deque(maxlen=REFUSALS)
        self._refused_at = -REFUSALS_EVERY_S

    def pressed(self, actions: Iterable[Action], clock_s: float) -> None:
        """Adds actions of a bed's buttons; a standby is sent for as long as it lasts."""
        for action in actions:
            lasts_s = action.pause_s if action.act is Act.STANDBY else FORGET_S
            self._pressed[action.id] = msgspec.json.encode(action), clock_s + lasts_s, clock_s

    def known(self, action_id: str) -> bool:
        """Removes an action that Kafka holds; returns whether it was one of this gateway's."""
        return self._pressed.pop(action_id, None) is not None

    def refused(self, rejected: Iterable[Rejected]) -> None:
        """Adds rejected messages; of many, only the newest are sent."""
        self._refused.extend(rejected)

    def reconnected(self) -> None:
        """Marks every acknowledgement as due."""
        self._pressed = {key: (payload, until, 0.0) for key, (payload, until, _) in self._pressed.items()}

    def due(self, clock_s: float) -> Iterator[tuple[str, bytes]]:
        """Yields name (of `topics.UP`) and payload of each message to publish now."""
        for key, (payload, until, at) in list(self._pressed.items()):
            if clock_s >= until:
                del self._pressed[key]
            elif clock_s >= at:
                self._pressed[key] = payload, until, clock_s + RESEND_S
                yield "pressed", payload
        if self._refused and clock_s >= self._refused_at + REFUSALS_EVERY_S:
            self._refused_at = clock_s
            told = [
                msgspec.structs.replace(
                    r, topic=r.topic[:TOPIC], reason=r.reason[:REASON], payload=r.payload[:REFUSED_BYTES]
                )
                for r in self._refused
            ]
            self._refused.clear()
            yield "rejected", msgspec.json.encode(told)
