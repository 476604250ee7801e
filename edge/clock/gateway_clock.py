"""The gateway's own time: it runs evenly, and moves only together with everything that was stamped by it.

It is the machine's clock as long as that runs evenly too. A machine's clock is set, by a time server or a person,
forward or back, and then the caller moves what it knows by the same step. The bridge's clock, which many gateways
share, is told with each status; where the machine's clock contradicts it, the bridge's holds.
"""

from collections import deque
from typing import Final

from edge.ingest.device_clock import SET_MS
from vitals.bounds import MAX_T
from vitals.status import ClockOffset

STEP_MS: Final = 1_000
"""A difference from here on is a step; a smaller one is taken up slowly."""
SLEW: Final = 0.005
"""So much of the time that passes may be taken up: a time server steers a clock ten times slower."""
AGREES_MS: Final = 2_000
"""The machine's clock contradicts the bridge's from here on: the way takes as long on a bad day."""
DRIFT: Final = 200e-6
"""How fast two clocks may come apart."""
UNSET_S: Final = 60.0
"""A start without a clock is no news until keeper and bridge have had time for a word."""
ASK_S: Final = 5.0
"""A connected bridge that has not told its time for so long does not."""
RECENT: Final = 3
"""Of so many answers the earliest is right: the way only ever makes them late."""
RECENT_S: Final = 300.0
SENT: Final = 64


class GatewayClock:
    """Own time. Machine times are wall clock readings, UTC epoch ms; `clock_s` is monotonic, s.

    Args:
        own: Own time at the start, UTC epoch ms; where the machine's clock is not set it may go on from an earlier run.
        machine: The machine's clock then.
        clock_s: Monotonic clock then.
        settled: Whether the machine's clock is known to be set.
        bridge: Own time minus the bridge's, ms, as an earlier run in this boot had it from there.

    Attributes:
        settled: Whether the machine's clock is known to have been set, now or earlier: from then on it only drifts.
    """

    def __init__(self, own: int, machine: int, clock_s: float, *, settled: bool, bridge: int | None = None) -> None:
        self.settled = settled
        self._own, self._machine, self._at = float(own), machine, clock_s
        self._before = float(own)
        self._stepped = False
        self._lead = own - machine
        self._sent: deque[tuple[int, float]] = deque(maxlen=SENT)
        # The bridge's time minus the monotonic clock, ms, and when each was told.
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
        """Whether the time is known: by the clock's keeper, or by the bridge."""
        return (self.settled or bool(self._told)) and self._own >= SET_MS

    @property
    def unset(self) -> bool:
        """Whether the time has not been known for so long that people are to be told."""
        return self._at - self._known_at >= UNSET_S

    @property
    def stands(self) -> bool:
        """Whether readings go up as they are stamped: the time is known, or nobody who is asked tells it."""
        return self.known or (self._asked and self._own >= SET_MS)

    @property
    def bridge(self) -> int | None:
        """Own time minus the bridge's, ms; None when that is not known."""
        return round(self._own - min(self._told)[0] - 1000 * self._at) if self._told else None

    def link(self, *, up: bool, clock_s: float) -> None:
        """The uplink came or went."""
        self._up_since = clock_s if up else None

    def sent(self, machine: int, clock_s: float) -> None:
        """A status went up that said this machine time."""
        self._sent.append((machine, clock_s))

    def told(self, answer: ClockOffset, machine: int, clock_s: float) -> None:
        """The bridge told its time.

        Args:
            answer: What it told.
            machine: The machine's clock now.
            clock_s: Monotonic clock now.
        """
        asked = answer.t - answer.offset_ms
        # The status that it answers went at a known moment, whatever was done to the machine's clock since.
        at = next((at for sent, at in reversed(self._sent) if sent == asked), None)
        bridge = answer.t - 1000 * at if at is not None else machine + answer.offset_ms - 1000 * clock_s
        if not 0 < bridge + 1000 * clock_s <= MAX_T:
            return
        while self._told and clock_s - self._told[0][1] > RECENT_S:
            self._told.popleft()
        self._told.append((bridge, clock_s))

    def turn(self, machine: int, clock_s: float, *, settled: bool) -> int:
        """Lets time pass.

        Args:
            machine: The machine's clock.
            clock_s: Monotonic clock.
            settled: Whether the keeper of the machine's clock says that it is set.

        Returns:
            By how much everything stamped with own time is to be moved, ms; 0 unless own time stepped.
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
        # Whole, so that what is moved by it and what is stamped later stay apart by what lay between them.
        jump = round(off)
        self._own, self._before = self._own + jump, self._before + jump
        return jump

    def arrived(self, machine: int) -> int:
        """Returns the own time of something that came since the last turn, by the machine's clock as it came."""
        own = machine + self._own - self._machine
        if self._stepped:
            # Nobody knows on which side of the step it came.
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
