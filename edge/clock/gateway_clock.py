"""The gateway's own time: it runs evenly, and steps only together with all stored times.

It is the system clock as long as that runs evenly. If a time server or a person sets the system clock, own time steps
with it. The caller then shifts all stored times by the same step. The bridge, which many gateways share, reports its
time in answer to each status; if the system clock contradicts it, the bridge's time applies.
"""

from collections import deque
from typing import Final

from edge.ingest.device_clock import SET_MS
from vitals.bounds import MAX_T
from vitals.status import ClockOffset

STEP_MS: Final = 1_000
"""Difference from which own time steps; a smaller one is slewed."""
SLEW: Final = 0.005
"""Largest slew as a share of elapsed time; a time server steers a clock ten times slower."""
AGREES_MS: Final = 2_000
"""Difference from which the system clock contradicts the bridge's: about the delay of an answer on a bad day."""
DRIFT: Final = 200e-6
"""Largest drift between two clocks."""
UNSET_S: Final = 60.0
"""Time without a set clock after which it is a technical alarm: time server and bridge need some time to answer."""
ASK_S: Final = 5.0
"""Time after which a connected bridge that has not answered with its time will not do so."""
RECENT: Final = 3
"""Number of answers of which the earliest is used: delay can only add to an answer's time."""
RECENT_S: Final = 300.0
SENT: Final = 64


class GatewayClock:
    """Own time. Machine times are of the system clock, UTC epoch ms; `clock_s` is monotonic, s.

    Args:
        own: Own time at the start, UTC epoch ms; if the system clock is not set, it may continue an earlier run's.
        machine: System clock at the start.
        clock_s: Monotonic clock at the start.
        settled: Whether the system clock is known to be set.
        bridge: Own time minus the bridge's, ms, as stored by an earlier run in this boot.

    Attributes:
        settled: Whether the system clock is known to have been set, now or earlier: from then on it only drifts.
    """

    def __init__(self, own: int, machine: int, clock_s: float, *, settled: bool, bridge: int | None = None) -> None:
        self.settled = settled
        self._own, self._machine, self._at = float(own), machine, clock_s
        self._before = float(own)
        self._stepped = False
        self._lead = own - machine
        self._sent: deque[tuple[int, float]] = deque(maxlen=SENT)
        # The bridge's time minus the monotonic clock, ms, and the monotonic time of the answer.
        self._told: deque[tuple[float, float]] = deque(maxlen=RECENT)
        if bridge is not None:
            self._told.append((own - bridge - 1000 * clock_s, clock_s))
        self._up_since: float | None = None
        self._asked = False
        self._known_at = clock_s

    @property
    def now(self) -> int:
        """Own time, UTC epoch ms."""
        return round(self._own)

    @property
    def known(self) -> bool:
        """True if the time is known, from time synchronisation or the bridge."""
        return (self.settled or bool(self._told)) and self._own >= SET_MS

    @property
    def unset(self) -> bool:
        """True if the time has been unknown for long enough for a technical alarm."""
        return self._at - self._known_at >= UNSET_S

    @property
    def stands(self) -> bool:
        """True if readings are sent with own time: the time is known, or the bridge does not report its own."""
        return self.known or (self._asked and self._own >= SET_MS)

    @property
    def bridge(self) -> int | None:
        """Own time minus the bridge's, ms; None if unknown."""
        return round(self._own - min(self._told)[0] - 1000 * self._at) if self._told else None

    def link(self, *, up: bool, clock_s: float) -> None:
        """Records that the uplink was connected or lost."""
        self._up_since = clock_s if up else None

    def sent(self, machine: int, clock_s: float) -> None:
        """Records that a status with this system time was sent."""
        self._sent.append((machine, clock_s))

    def told(self, answer: ClockOffset, machine: int, clock_s: float) -> None:
        """Records the bridge's time.

        Args:
            answer: Answer of the bridge.
            machine: System clock now.
            clock_s: Monotonic clock now.
        """
        asked = answer.t - answer.offset_ms
        # The answered status was sent at a known monotonic time, even if the system clock was set since.
        at = next((at for sent, at in reversed(self._sent) if sent == asked), None)
        bridge = answer.t - 1000 * at if at is not None else machine + answer.offset_ms - 1000 * clock_s
        if not 0 < bridge + 1000 * clock_s <= MAX_T:
            return
        while self._told and clock_s - self._told[0][1] > RECENT_S:
            self._told.popleft()
        self._told.append((bridge, clock_s))

    def turn(self, machine: int, clock_s: float, *, settled: bool) -> int:
        """Advances own time.

        Args:
            machine: System clock.
            clock_s: Monotonic clock.
            settled: Whether time synchronisation reports the system clock as set.

        Returns:
            Shift of all times stamped with own time, ms; 0 unless own time stepped.
        """
        passed = 1000 * max(0.0, clock_s - self._at)
        self._stepped = abs(machine - self._machine - passed) >= STEP_MS
        self.settled |= settled
        if settled or self._stepped:
            self._lead = 0
        self._asked |= self._up_since is not None and clock_s - self._up_since >= ASK_S
        self._machine, self._at = machine, clock_s
        self._before, self._own = self._own, self._own + passed
        if self.known:
            self._known_at = clock_s
        off = self._target(clock_s) - self._own
        if abs(off) < STEP_MS:
            self._own += max(-SLEW * passed, min(off, SLEW * passed))
            return 0
        # Whole milliseconds, so that shifted times and later ones keep their exact distance.
        jump = round(off)
        self._own, self._before = self._own + jump, self._before + jump
        return jump

    def arrived(self, machine: int) -> int:
        """Returns the own time of an arrival since the last turn, from the system clock at that arrival."""
        own = machine + self._own - self._machine
        if self._stepped:
            # It is unknown whether it arrived before or after the step.
            own = max(own, self._before)
        return round(min(own, self._own))

    def _target(self, clock_s: float) -> float:
        machine = self._machine + self._lead
        if not self._told:
            return machine
        bridge, at = min(self._told)
        bridge += 1000 * clock_s
        agrees = abs(machine - bridge) <= AGREES_MS + 1000 * DRIFT * (clock_s - at)
        return machine if agrees else bridge
