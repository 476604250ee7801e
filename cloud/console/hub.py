"""Looks at the state tier a few times a second and tells every open page what has changed, encoded once a ward."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from cloud.console import tiles
from cloud.console.people import People
from cloud.console.sight import NOTHING, Sight, State, StateDownError
from cloud.watch.answers import PatientNow

logger = logging.getLogger("console")
TRAIL_EVERY_MS: Final = 20_000
TRAIL_POINTS: Final = 90
"""Half an hour of small curves; the warehouse has the rest."""
CURVES: Final = ("hr", "pr", "spo2")
"""Signs whose small curve a bed shows; the first frame of a large ward holds nothing else of the past."""
BEHIND: Final = 8
"""Frames that a slow page may be behind before it is sent everything afresh."""
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Trail:
    """The last half hour of one patient, a point each 20 s.

    Attributes:
        patient: The patient; another one in the bed begins anew.
        points: (event time in UTC epoch ms, value by sign).
    """

    patient: str
    points: deque[tuple[int, dict[str, float]]] = field(default_factory=lambda: deque(maxlen=TRAIL_POINTS))

    def add(self, seen: PatientNow) -> None:
        """Takes the newest values in, when the last point is old enough; values to be doubted leave a gap."""
        if seen.t and (not self.points or seen.t - self.points[-1][0] >= TRAIL_EVERY_MS):
            fresh = {
                f: s.value
                for f, s in seen.signs.items()
                if s.value is not None and not s.suspect and seen.t - s.t < TRAIL_EVERY_MS * 3
            }
            self.points.append((seen.t, fresh))


class Feed:
    """One open page's queue of frames.

    Args:
        ward: What it shows.
    """

    def __init__(self, ward: str) -> None:
        self.ward = ward
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.behind = False

    def put(self, frame: bytes | None) -> None:
        """Queues a frame; one who cannot keep up is sent everything afresh later, and memory stays bounded."""
        if frame is not None and self.frames.qsize() >= BEHIND:
            self.behind = True
            return
        self.frames.put_nowait(frame)


class Hub:
    """The looking, and who is told.

    Args:
        state: The state tier.
        people: Who is admitted.
        clock: Wall clock, UTC epoch ms.
    """

    def __init__(self, state: State, people: People, clock: Callable[[], int]) -> None:
        self._state, self._people, self._clock = state, people, clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._feeds: dict[str, set[Feed]] = {}
        self._sent: dict[str, dict[str, bytes]] = {}
        self._above: dict[str, bytes] = {}
        self.sight: Sight = NOTHING
        self.down: str | None = "The state tier has not answered yet."
        self.since = 0
        self.trails: dict[str, Trail] = {}

    def run(self, stop: threading.Event, every_s: float) -> None:
        """Looks until told to stop, then ends every feed."""
        try:
            while not stop.wait(every_s):
                self.tick()
        finally:
            # However it ends: a stream that went on without it would show a ward that stands still.
            self._state.close()
            self._tell(self._end)

    def tick(self) -> None:
        """Looks once and tells what has changed."""
        now = self._clock()
        try:
            self.sight = self._state.look()
            down = None
        except StateDownError as error:
            down = str(error)
        if not self.since or (down is None) != (self.down is None):
            self.since = now
            logger.warning("state tier is %s", down or "back")
        self.down = down
        present = self._people.present()
        self._follow(present_ids={a.patient for a in present})
        with self._lock:
            for ward in sorted({a.ward for a in present} | self._sent.keys() | self._feeds.keys()):
                frame = self._difference(ward, now)
                if self._feeds.get(ward):
                    self._tell(lambda ward=ward, frame=frame: self._spread(ward, frame))  # type: ignore[misc] # mypy cannot type a lambda's defaults

    def open(self, ward: str) -> Feed:
        """Returns a new page's feed; its first frame has everything. To be called in the server's loop."""
        feed = Feed(ward)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._feeds.setdefault(ward, set()).add(feed)
            feed.put(self.whole(ward))
        return feed

    def leave(self, feed: Feed) -> None:
        """Forgets a page."""
        with self._lock:
            self._feeds.get(feed.ward, set()).discard(feed)

    def viewers(self) -> int:
        """Returns how many pages are open."""
        return sum(len(feeds) for feeds in self._feeds.values())

    def ward(self, ward: str) -> dict[str, dict[str, Any]]:
        """Returns a ward's beds by patient, as they are now."""
        return tiles.ward_tiles(ward, self._people.present(), self.sight, self._people.pauses, self._clock())

    def whole(self, ward: str) -> bytes:
        """Returns the frame that has everything, the small curves included."""
        beds = self.ward(ward)
        for patient, bed in beds.items():
            if patient in self.trails:
                points = list(self.trails[patient].points)
                bed["trail"] = [[t, {f: values[f] for f in CURVES if f in values}] for t, values in points]
        above = self._above_beds(ward)
        head = self._head(self._clock())
        return _frame("ward", {**head, "ward": ward, "tiles": list(beds.values()), "alarms": above})

    def _follow(self, present_ids: set[str]) -> None:
        for patient, seen in self.sight.patients.items():
            if patient in present_ids:
                self.trails.setdefault(patient, Trail(patient)).add(seen)
        for patient in self.trails.keys() - present_ids:
            del self.trails[patient]

    def _difference(self, ward: str, now: int) -> bytes:
        beds = {patient: _encode(bed) for patient, bed in self.ward(ward).items()}
        before = self._sent.get(ward, {})
        changed = [msgspec.Raw(value) for patient, value in beds.items() if before.get(patient) != value]
        body: dict[str, Any] = {**self._head(now), "tiles": changed, "gone": sorted(before.keys() - beds.keys())}
        above = self._above_beds(ward)
        if self._above.get(ward) != (known := _encode(above)):
            body["alarms"], self._above[ward] = above, known
        self._sent[ward] = beds
        return _frame("tiles", body)

    def _above_beds(self, ward: str) -> list[dict[str, Any]]:
        gateways = {a.gateway for a in self._people.present() if a.ward == ward}
        return tiles.ward_alarms(ward, gateways, self.sight, self._people.pauses)

    def _head(self, now: int) -> dict[str, Any]:
        return {"now": now, "clock": self.sight.clock, "down": self.down, "since": self.since}

    def _end(self) -> None:
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.put(None)

    def _spread(self, ward: str, frame: bytes) -> None:
        for feed in list(self._feeds.get(ward, ())):
            if feed.behind and feed.frames.empty():
                feed.behind = False
                feed.put(self.whole(ward))
            else:
                feed.put(frame)

    def _tell(self, call: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def _frame(event: str, body: dict[str, Any]) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + _encode(body) + b"\n\n"


def pulse(now: int) -> bytes:
    """Returns the frame that says: the line is up, and nothing has changed."""
    return _frame("pulse", {"now": now})


def farewell(why: str) -> bytes:
    """Returns the last frame, which sends the page away: its session has ended."""
    return _frame("bye", {"why": why})
