"""What goes wrong with answers: slow, lost after the message was kept, throttled, refused."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import msgspec

from infra.local.servers.sns.values import STATUS, SnsError, error

OPT_OUT_CALLS: Final = frozenset(("CheckIfPhoneNumberIsOptedOut", "ListPhoneNumbersOptedOut"))


class Fate(StrEnum):
    """Fate of a call."""

    THROTTLE = "throttle"
    ERROR = "error"
    LOSE = "lose"
    SLOW = "slow"


class Trouble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="set", tag="trouble"):
    """The next calls go wrong.

    Attributes:
        fate: How.
        count: How many calls; 0 ends trouble of this kind.
        actions: Which calls.
        error: Code of the error, for `error`.
        slow_ms: Time to the answer, for `slow`, ms.
    """

    fate: Fate
    count: int = 1
    actions: tuple[str, ...] = ("Publish",)
    error: str = "InternalError"
    slow_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 0 or self.slow_ms < 0:
            raise ValueError("count and slow_ms must not be negative")
        if self.error not in STATUS:
            raise ValueError(f"there is no error {self.error!r}; there are {', '.join(sorted(STATUS))}")


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="set", tag="pace"):
    """Pace of answers, and the number of calls that are taken.

    Attributes:
        answer_ms: From a call to its answer, whatever else there is to do; None leaves it.
        publishes_per_s: `Publish` beyond it is throttled; 0 throttles nothing; None leaves it.
    """

    answer_ms: float | None = None
    publishes_per_s: float | None = None

    def __post_init__(self) -> None:
        if min(self.answer_ms or 0, self.publishes_per_s or 0) < 0:
            raise ValueError("a pace must not be negative")


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="set", tag="state"):
    """An order: the state that an address takes.

    Attributes:
        endpoint: Number or address.
        to: Of its subscriptions: confirmed, pending, deactivated, removed by its receiver, or expired, as what is
            pending does after 48 hours; of the number or mailbox itself: opted-out, failing, fine.
        reason: Why it fails.
    """

    endpoint: str
    to: Literal["confirmed", "pending", "deactivated", "removed", "expired", "opted-out", "failing", "fine"]
    reason: str = "Phone is currently unreachable/unavailable"


Control = State | Trouble | Pace


@dataclass(frozen=True, slots=True)
class Verdict:
    """An order: the fate of the next calls.

    Attributes:
        answer_ms: Time to its answer, ms.
        refused: The error that it is answered with.
        lost: No answer is given, although it is done.
    """

    answer_ms: float
    refused: SnsError | None = None
    lost: bool = False


class Troubles:
    """Decides of each call what becomes of it.

    Args:
        answer_ms: From a call to its answer, ms.
    """

    def __init__(self, answer_ms: float) -> None:
        self._lock = threading.Lock()
        self._answer_ms = answer_ms
        self._rate = 0.0
        self._tokens, self._refilled = 0.0, 0.0
        self._left: list[tuple[Trouble, int]] = []

    def set(self, control: Trouble | Pace) -> None:
        """Takes an order."""
        with self._lock:
            if isinstance(control, Trouble):
                self._left = [(t, n) for t, n in self._left if t.fate is not control.fate or control.count]
                self._left += [(control, control.count)] if control.count else []
                return
            if control.answer_ms is not None:
                self._answer_ms = control.answer_ms
            if control.publishes_per_s is not None:
                self._rate = self._tokens = control.publishes_per_s

    def judge(self, action: str, now_s: float) -> Verdict:
        """Returns what becomes of a call at `now_s` of a monotonic clock."""
        with self._lock:
            if action == "Publish" and self._rate and not self._token(now_s):
                return Verdict(self._answer_ms, throttled(action))
            trouble = self._next(action)
            if trouble is None:
                return Verdict(self._answer_ms)
            if trouble.fate is Fate.THROTTLE:
                return Verdict(self._answer_ms, throttled(action))
            if trouble.fate is Fate.ERROR:
                return Verdict(self._answer_ms, error(trouble.error, f"{trouble.error}, as it was ordered"))
            if trouble.fate is Fate.LOSE:
                return Verdict(self._answer_ms, lost=True)
            return Verdict(trouble.slow_ms)

    def _next(self, action: str) -> Trouble | None:
        for place, (trouble, left) in enumerate(self._left):
            if action in trouble.actions:
                self._left[place : place + 1] = [(trouble, left - 1)] if left > 1 else []
                return trouble
        return None

    def _token(self, now_s: float) -> bool:
        self._tokens = min(max(1.0, self._rate), self._tokens + (now_s - self._refilled) * self._rate)
        self._refilled = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def throttled(action: str) -> SnsError:
    """Returns what AWS answers to one call too many."""
    return error("Throttled" if action in OPT_OUT_CALLS else "ThrottlingException", "Rate exceeded")
