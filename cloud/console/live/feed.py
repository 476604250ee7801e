"""Polls the alarm engine a few times a second and sends changes to every open page, encoded once per ward."""

import asyncio
import logging
import math
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from cloud.alarm.query.answers import PatientNow
from cloud.console.live import ward_view
from cloud.console.live.alarm_state import NOTHING, AlarmStateSnapshot, StateDownError, StatePort
from cloud.console.live.topic_cache import TopicCache
from cloud.console.static import VERSION
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.signs import FIELDS

logger = logging.getLogger("console")
TRAIL_EVERY_MS: Final = 20_000
FOLLOW_EVERY_MS: Final = 5_000
"""Interval at which the sparklines of all patients are updated; other work is done only for open wards."""
TRAIL_POINTS: Final = 90
"""Half an hour of sparklines; the warehouse has the rest."""
CURVES: Final = ("hr", "pr", "spo2")
"""Signs with a sparkline on a bed's tile; the first frame of a large ward has no other past values."""
BEHIND: Final = 8
"""Frames that a slow page may be behind before it is sent the whole ward again."""
_POINT: Final = struct.Struct(f"<q{len(FIELDS)}d")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class RecentValues:
    """The last half hour of one patient, a point each 20 s; packed, as every patient has one: 10 KB when full.

    Attributes:
        patient: The patient.
    """

    patient: str
    _packed: deque[bytes] = field(default_factory=lambda: deque(maxlen=TRAIL_POINTS))
    _newest: int = 0

    def add(self, seen: PatientNow) -> None:
        """Adds the newest values, if the last point is old enough; suspect values leave a gap."""
        if seen.t and seen.t - self._newest >= TRAIL_EVERY_MS:
            fresh = {
                f: s.value
                for f, s in seen.signs.items()
                if s.value is not None and not s.suspect and seen.t - s.t < TRAIL_EVERY_MS * 3
            }
            self.put(seen.t, fresh)

    def put(self, t: int, values: Mapping[str, float]) -> None:
        """Adds a point: its event time, UTC epoch ms, and values by sign."""
        self._newest = t
        self._packed.append(_POINT.pack(t, *(values.get(f, math.nan) for f in FIELDS)))

    def points(self) -> list[tuple[int, dict[str, float]]]:
        """Returns (event time in UTC epoch ms, value by sign), oldest first."""
        found = []
        for point in list(self._packed):
            t, *values = _POINT.unpack(point)
            found.append((t, {f: x for f, x in zip(FIELDS, values, strict=True) if not math.isnan(x)}))
        return found


class Subscriber:
    """One open page's queue of frames.

    Args:
        ward: Ward on the page.
    """

    def __init__(self, ward: str) -> None:
        self.ward = ward
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.behind = False

    def put(self, frame: bytes | None) -> None:
        """Queues a frame, unless the queue is full: a slow page is sent the whole ward later, so memory is bounded."""
        if frame is not None and self.frames.qsize() >= BEHIND:
            self.behind = True
            return
        self.frames.put_nowait(frame)


class LiveFeed:
    """Polling, and the open pages that receive changes.

    Args:
        state: The alarm engine.
        people: Admissions.
        clock: Wall clock, UTC epoch ms.
    """

    def __init__(self, state: StatePort, people: TopicCache, clock: Callable[[], int]) -> None:
        self._state, self._people, self._clock = state, people, clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._feeds: dict[str, set[Subscriber]] = {}
        self._sent: dict[str, dict[str, bytes]] = {}
        self._above: dict[str, bytes] = {}
        self._first: dict[str, bytes] = {}
        self.sight: AlarmStateSnapshot = NOTHING
        self.down: str | None = "The state tier has not answered yet."
        self.since = 0
        self.trails: dict[str, RecentValues] = {}
        self._followed = 0
        self._asked = False

    def run(self, stop: threading.Event, every_s: float) -> None:
        """Polls until `stop` is set, then ends every stream. Without open pages it polls only for the sparklines."""
        try:
            while not stop.wait(every_s):
                if self._feeds or self._asked or abs(self._clock() - self._followed) >= FOLLOW_EVERY_MS:
                    self._asked = False
                    self.tick()
        finally:
            # In any case: a stream that continued without polling would show a frozen ward.
            self._state.close()
            self._tell(self._end)

    def tick(self) -> None:
        """Polls once and sends changes to open pages."""
        now = self._clock()
        try:
            self.sight = self._state.fetch()
            down = None
        except StateDownError as error:
            down = str(error)
        if not self.since or (down is None) != (self.down is None):
            self.since = now
            logger.warning("alarm engine: %s", down or "reachable again")
        self.down = down
        if abs(now - self._followed) >= FOLLOW_EVERY_MS:
            self._followed = now
            self._follow()
        with self._lock:
            self._first.clear()
            for ward in self._sent.keys() - self._feeds.keys():
                del self._sent[ward], self._above[ward]
            for ward in self._feeds:
                try:
                    self._tell(partial(self._spread, ward, self._difference(ward, now)))
                except NOT_CAUSED_BY_INPUT:
                    raise
                except Exception:
                    # Other wards' pages continue, and this ward's page shows that its values are old.
                    logger.exception("ward %s cannot be rendered", ward)

    def open(self, ward: str) -> Subscriber:
        """Returns a new page's queue; its first frame has the whole ward. Must be called in the server's event loop.

        Pages that open between two polls share the first frame, so that a hundred after a cut are served at once.
        """
        feed = Subscriber(ward)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if ward not in self._sent:
                # Baseline of the ward's first page: later frames contain the differences to it.
                self._difference(ward, self._clock())
                self._first.pop(ward, None)
            self._feeds.setdefault(ward, set()).add(feed)
            if ward not in self._first:
                self._first[ward] = self.whole(ward)
            feed.put(self._first[ward])
        return feed

    def leave(self, feed: Subscriber) -> None:
        """Removes a page."""
        with self._lock:
            feeds = self._feeds.get(feed.ward, set())
            feeds.discard(feed)
            if not feeds:
                self._feeds.pop(feed.ward, None)

    def viewers(self) -> int:
        """Returns the number of open pages."""
        return sum(len(feeds) for feeds in list(self._feeds.values()))

    def ward(self, ward: str) -> dict[str, dict[str, Any]]:
        """Returns a ward's beds by patient, in their present state."""
        self._asked = True
        return ward_view.ward_tiles(self._people.on_ward(ward), self.sight, self._people.pauses, self._clock())

    def whole(self, ward: str) -> bytes:
        """Returns the frame with the whole ward, including the sparklines."""
        beds = self.ward(ward)
        for patient, bed in beds.items():
            if patient in self.trails:
                points = self.trails[patient].points()
                bed["trail"] = [[t, {f: values[f] for f in CURVES if f in values}] for t, values in points]
        above = self._above_beds(ward)
        head = self._head(self._clock())
        return _frame("ward", {**head, "ward": ward, "tiles": list(beds.values()), "alarms": above})

    def _follow(self) -> None:
        for patient, seen in self.sight.patients.items():
            if self._people.here(patient):
                trail = self.trails.get(patient)
                if trail is None:
                    trail = self.trails[patient] = RecentValues(patient)
                trail.add(seen)
        for patient in [p for p in self.trails if not self._people.here(p)]:
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
        gateways = {a.gateway for a in self._people.on_ward(ward)}
        return ward_view.ward_alarms(ward, gateways, self.sight, self._people.pauses)

    def _head(self, now: int) -> dict[str, Any]:
        return {"now": now, "clock": self.sight.clock, "down": self.down, "since": self.since, "version": VERSION}

    def _end(self) -> None:
        for feeds in list(self._feeds.values()):
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
    """Returns the keep-alive frame: connected, no change."""
    return _frame("pulse", {"now": now})


def farewell(why: str) -> bytes:
    """Returns the last frame, which signs the page out: its session has ended."""
    return _frame("bye", {"why": why})
