"""Faults of a device itself. A fault strikes once at a set second, or at a share of the readings, seeded."""

import math
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np


class FaultKind(StrEnum):
    """The faults that a device can have."""

    CLOCK_DRIFT = "clock-drift"
    """Its clock runs fast by `by_s` seconds per hour (slow if negative)."""
    CLOCK_JUMP = "clock-jump"
    """Its clock jumps by `by_s` seconds, and keeps that offset."""
    REBOOT = "reboot"
    """It loses its memory, is away for `for_s` seconds, and returns with a new boot number and seq 0."""
    DUPLICATE = "duplicate"
    """It sends a reading twice."""
    REORDER = "reorder"
    """It sends a reading after the next one."""
    LATE_BURST = "late-burst"
    """It holds its readings for `for_s` seconds and then sends them all together."""
    GARBAGE = "garbage"
    """It sends invalid messages among its readings."""
    BATTERY = "battery"
    """It dies without closing its connection; returns as after a reboot unless `for_s` is 0."""


_FOR_S: Final = {FaultKind.REBOOT: 5.0, FaultKind.LATE_BURST: 20.0, FaultKind.BATTERY: 0.0}
_BY_S: Final = {FaultKind.CLOCK_DRIFT: 4.0, FaultKind.CLOCK_JUMP: 3600.0}
_HOUR_S: Final = 3600.0


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault of one device.

    Attributes:
        fault: Its kind.
        at_s: Second of the run at which it strikes once; None: by `rate`.
        rate: Share of readings at which it strikes.
        for_s: Duration, s; None for the kind's default.
        by_s: Error of the clock, s; None for the kind's default.
    """

    fault: FaultKind
    at_s: float | None = None
    rate: float = 0.0
    for_s: float | None = None
    by_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"fault {self.fault.value}: rate {self.rate} is a share of readings, from 0 to 1")
        if self.at_s is None and self.rate == 0 and self.fault is not FaultKind.CLOCK_DRIFT:
            raise ValueError(f"fault {self.fault.value} never strikes: give it a second (@30) or a rate (=0.01)")
        if self.for_s is not None and self.for_s < 0:
            raise ValueError(f"fault {self.fault.value} cannot last {self.for_s} s")

    @property
    def lasts_s(self) -> float:
        """Duration, s; infinite for a battery that is never changed."""
        lasts = _FOR_S.get(self.fault, 0.0) if self.for_s is None else self.for_s
        return math.inf if self.fault is FaultKind.BATTERY and lasts == 0 else lasts

    @property
    def shift_s(self) -> float:
        """Error of the clock: seconds, for a drift seconds per hour."""
        return _BY_S.get(self.fault, 0.0) if self.by_s is None else self.by_s


_WORD = re.compile(
    r"(?P<kind>[a-z-]+)(=(?P<rate>[\d.]+))?(@(?P<at>[\d.]+))?(\+(?P<for>[\d.]+))?(~(?P<by>-?[\d.]+))?", re.ASCII
)


def parse(word: str) -> Fault:
    """Parses `KIND[=RATE][@AT_S][+FOR_S][~BY_S]`, such as `duplicate=0.01`, `reboot@30+5` or `clock-jump@20~-7200`.

    Raises:
        ValueError: The text has another form.
    """
    match = _WORD.fullmatch(word.strip())
    kinds = {kind.value: kind for kind in FaultKind}
    if match is None or match["kind"] not in kinds:
        raise ValueError(
            f"fault {word!r} cannot be read: write KIND[=RATE][@AT_S][+FOR_S][~BY_S], KIND one of {', '.join(kinds)}"
        )
    number = {key: None if match[key] is None else float(match[key]) for key in ("rate", "at", "for", "by")}
    return Fault(kinds[match["kind"]], number["at"], number["rate"] or 0.0, number["for"], number["by"])


class Injector:
    """The faults of one device over time."""

    def __init__(self, faults: Iterable[Fault], rng: np.random.Generator) -> None:
        self._faults = tuple(faults)
        self._rng = rng
        self._waiting = {i for i, fault in enumerate(self._faults) if fault.at_s is not None}
        self._jumped_s = 0.0
        self.rng = rng

    def strikes(self, t_s: float) -> list[Fault]:
        """Returns the faults that strike at the reading of second `t_s`; call it once per reading."""
        struck = []
        for i, fault in enumerate(self._faults):
            if fault.fault is FaultKind.CLOCK_DRIFT:
                continue
            due = i in self._waiting and fault.at_s is not None and fault.at_s <= t_s
            if due or (fault.rate > 0 and self._rng.random() < fault.rate):
                self._waiting.discard(i)
                struck.append(fault)
                if fault.fault is FaultKind.CLOCK_JUMP:
                    self._jumped_s += fault.shift_s
        return struck

    def clock_offset_ms(self, t_s: float) -> int:
        """Returns the time by which the device's clock is ahead at second `t_s`, ms."""
        drift_s = sum(
            fault.shift_s * max(0.0, t_s - (fault.at_s or 0.0)) / _HOUR_S
            for fault in self._faults
            if fault.fault is FaultKind.CLOCK_DRIFT
        )
        return round((drift_s + self._jumped_s) * 1000)
