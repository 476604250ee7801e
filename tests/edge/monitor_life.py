"""One patient's monitor at a gateway whose machine's clock is off, in seconds of its life."""

from typing import Any

HOUR_MS = 3_600_000
WELL = {"hr": 72, "spo2": 98}
ILL = {"hr": 150, "spo2": 80}


def lit(gw: Any, bed: str = "W-1") -> set[str]:  # noqa: ANN401 - the rig's gateway
    return {a["condition"] for a in gw.bedside.shown.get(bed, {"alarms": []})["alarms"]}


class Life:
    """One patient's monitor, whose clock is right, at a gateway whose machine's clock is off by `off` ms."""

    def __init__(self, gw: Any, seq: int = 0, off: int = 0) -> None:  # noqa: ANN401 - the rig's gateway
        self.gw, self.seq, self.off = gw, seq, off

    def live(self, seconds: int, **signs: float) -> None:
        for _ in range(seconds):
            self.gw.device(self.seq, t=self.gw.clock.now - self.off, **signs)
            self.seq += 1
            self.gw.turn(1)

    def set_by(self, ms: int) -> None:
        self.gw.clock.now += ms
        self.off += ms

    def until_lit(self, conditions: set[str], most: int = 30) -> int:
        """Lives, ill, until all of these are lit; returns how many seconds that took."""
        for second in range(1, most + 1):
            self.live(1, **ILL)
            if conditions <= lit(self.gw):
                return second
        raise AssertionError(f"not lit within {most} s: {lit(self.gw)}")
