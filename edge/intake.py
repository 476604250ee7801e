"""From what devices sent to readings: decode, drop what came twice, correct the time, filter, name the patient."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge import clock
from edge import filter as artefacts
from edge.driver import Delivery
from edge.ledger import Ledger
from edge.roster import Book
from edge.slots import Slots, grown, rounds
from vitals import frames, topics
from vitals.frames import MAX_FRAME_BYTES, Frame
from vitals.readings import MAX_TEXT, Readings, text
from vitals.records import WireError
from vitals.signs import FIELDS, SIGNS, SUSPECT_BITS, Suspect
from vitals.status import Rejected

REASONS: Final = {
    "frame of": "oversized",
    "not a frame": "not-a-frame",
    "boot": "out-of-range",
    "sensor-off": "unknown-sign",
    "value": "not-finite",
    "device": "bad-device-id",
}
"""What counts as one kind of refusal, by the beginning of its reason: metrics need few labels."""


class Taken(NamedTuple):
    """What became of some deliveries.

    Attributes:
        readings: New readings, in arrival order.
        rejected: Messages that were no readings.
        duplicates: How many were accepted before.
    """

    readings: Readings
    rejected: tuple[Rejected, ...]
    duplicates: int


class ClockState(msgspec.Struct, frozen=True):
    """What a restart must know of the devices' clocks."""

    devices: list[str]
    rows: list[list[float]]


class Intake:
    """The gateway's memory of its devices, and the way of a message through it.

    Args:
        gateway: Gateway id.
        ledger: Accepted identities.
        clocks: `clocks()` of an earlier run.
    """

    def __init__(self, gateway: str, ledger: Ledger, clocks: bytes | None = None) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._slots = Slots()
        self._clock = np.empty((0, clock.COLUMNS))
        # Plane by plane: the filter works through one thing remembered of all devices before it turns to the next.
        self._history = np.empty((artefacts.COLUMNS, 0, len(SIGNS)))
        if clocks:
            state = msgspec.json.decode(clocks, type=ClockState)
            self._clock = grown(self._clock, len(self._slots.of(state.devices)), clock.UNKNOWN)
            self._clock[: len(state.devices)] = np.array(state.rows).reshape(-1, clock.COLUMNS)

    def take(self, deliveries: Sequence[Delivery], book: Book) -> Taken:
        """Turns messages into readings; each new one is in the ledger afterwards.

        Args:
            deliveries: In arrival order.
            book: The roster in force.
        """
        found: list[tuple[Delivery, Frame]] = []
        rejected = []
        duplicates = 0
        for delivery in deliveries:
            try:
                frame = _decode(delivery)
            except WireError as error:
                topic = topics.device_vitals(delivery.device)
                rejected.append(Rejected(topic=topic, reason=str(error), t=delivery.t_gw, payload=delivery.payload))
                continue
            if self._ledger.add(delivery.device, frame.boot, frame.seq):
                found.append((delivery, frame))
            else:
                duplicates += 1
        return Taken(self._readings(found, book), tuple(rejected), duplicates)

    def offsets(self) -> dict[str, int]:
        """Returns each device's clock minus the gateway's, ms."""
        known = zip(self._slots.devices(), self._clock[:, clock.OFFSET].tolist(), strict=False)
        return {device: -int(offset) for device, offset in known}

    def rebase(self, jump_ms: int) -> None:
        """The gateway's clock was set, by `jump_ms`."""
        self._clock = clock.rebased(self._clock, jump_ms)

    def clocks(self) -> bytes:
        """Returns what a restart must know of the devices' clocks; their values' history it need not."""
        count = min(len(self._slots), len(self._clock))
        return msgspec.json.encode(ClockState(self._slots.devices()[:count], self._clock[:count].tolist()))

    def _readings(self, found: list[tuple[Delivery, Frame]], book: Book) -> Readings:
        devices = [delivery.device for delivery, _ in found]
        t_gw = np.array([delivery.t_gw for delivery, _ in found], dtype=np.int64)
        boot = np.array([frame.boot for _, frame in found], dtype=np.int64)
        seq = np.array([frame.seq for _, frame in found], dtype=np.int64)
        t = np.array([frame.t for _, frame in found], dtype=np.int64)
        values = np.array([frame.values for _, frame in found], dtype=np.float64).reshape(-1, len(SIGNS))
        off = np.zeros(values.shape, dtype=np.bool_)
        for k, (_, frame) in enumerate(found):
            if frame.off:
                off[k] = [field in frame.off for field in FIELDS]
        slots = self._slots.of(devices)
        self._clock = grown(self._clock, len(self._slots), clock.UNKNOWN)
        self._history = grown(self._history, len(self._slots), math.nan, axis=1)
        codes = np.zeros(values.shape, dtype=np.int64)
        profile = book.profiles(devices)
        for i in rounds(slots):
            rows = slots[i]
            t[i], unbelieved, self._clock[rows] = clock.correct(self._clock[rows], boot[i], seq[i], t[i], t_gw[i])
            history = np.moveaxis(self._history[:, rows], 0, 1)
            values[i], judged, history = artefacts.clean(history, t[i], values[i], off[i], profile[i])
            self._history[:, rows] = np.moveaxis(history, 1, 0)
            codes[i] = _with_clock(judged, unbelieved, values[i])
        placed = book.place(devices, t)
        return Readings(
            patient=placed.patient,
            device=text(devices),
            gateway=text([self._gateway] * len(devices)),
            ward=placed.ward,
            bed=placed.bed,
            boot=boot,
            seq=seq,
            t=t,
            t_gw=t_gw,
            roster=placed.roster,
            suspect=np.bitwise_or.reduce(codes << _SHIFTS, axis=1),
            limits=placed.limits,
            values=values,
            limit_sets=placed.limit_sets,
        )


_SHIFTS: Final = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS


def _with_clock(
    codes: NDArray[np.int8], unbelieved: NDArray[np.bool_], values: NDArray[np.float64]
) -> NDArray[np.int8]:
    doubt = unbelieved[:, None] & (codes == Suspect.NONE) & ~np.isnan(values)
    return np.where(doubt, np.int8(Suspect.CLOCK), codes)


def _decode(delivery: Delivery) -> Frame:
    if not 0 < len(delivery.device) <= MAX_TEXT:
        raise WireError(f"device id of {len(delivery.device)} characters; 1 to {MAX_TEXT} are allowed")
    if len(delivery.payload) > MAX_FRAME_BYTES:
        raise WireError(f"frame of {len(delivery.payload)} bytes is over {MAX_FRAME_BYTES}")
    frame = frames.decode(delivery.payload)
    if frame.t <= 0 or delivery.t_gw <= 0:
        raise WireError(f"boot {frame.boot}: t {frame.t} is out of range")
    if not all(value is None or math.isfinite(value) for value in frame.values):
        raise WireError("value is not finite")
    return frame


def kind_of(rejected: Rejected) -> str:
    """Returns the kind of a refusal, for counting."""
    return next((kind for start, kind in REASONS.items() if rejected.reason.startswith(start)), "other")
