"""What a gateway tells beside readings and status: acknowledgements at the bed, and what it refused.

An acknowledgement at the bed stops the paging too, so it is told until it comes back as an action from the log, as the
bridge sends it down. Refusals are told once and at a bounded rate: counted in the status, kept on the card.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from vitals.actions import Action
from vitals.status import Rejected

RESEND_S: Final = 5.0
FORGET_S: Final = 900.0
"""An acknowledgement that could not be told for so long is of no use any more: the paging has gone its way."""
REFUSALS: Final = 20
"""Refusals told in one message."""
REFUSALS_EVERY_S: Final = 5.0
REFUSED_BYTES: Final = 1_024
"""What is told of each; the card has more."""
TOPIC, REASON = 256, 512
"""Characters told of what it came by and of its reason: an MQTT topic may be longer than a whole message up."""


class SideMessages:
    """What is to be told."""

    def __init__(self) -> None:
        self._pressed: dict[str, tuple[bytes, float, float]] = {}
        self._refused: deque[Rejected] = deque(maxlen=REFUSALS)
        self._refused_at = -REFUSALS_EVERY_S

    def pressed(self, actions: Iterable[Action], clock_s: float) -> None:
        """Somebody acknowledged alarms at a bed."""
        for action in actions:
            self._pressed[action.id] = msgspec.json.encode(action), clock_s + FORGET_S, clock_s

    def known(self, action_id: str) -> bool:
        """An action came from the log; returns whether it was one of ours."""
        return self._pressed.pop(action_id, None) is not None

    def refused(self, rejected: Iterable[Rejected]) -> None:
        """Messages were refused; of many the newest are told."""
        self._refused.extend(rejected)

    def reconnected(self) -> None:
        """Everything is told again at once."""
        self._pressed = {key: (payload, until, 0.0) for key, (payload, until, _) in self._pressed.items()}

    def due(self, clock_s: float) -> Iterator[tuple[str, bytes]]:
        """Yields name (of `topics.UP`) and payload of what is to be published now."""
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
