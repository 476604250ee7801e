"""Turns device messages into readings: decode, deduplicate, correct the time, filter, assign the patient."""

import logging
import math
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.devices.driver import DeviceMessage
from edge.ingest import artefact_filter as artefacts
from edge.ingest import device_clock
from edge.ingest.dedup import SeenSequences
from edge.ingest.device_rows import DeviceRows, grown, rounds
from edge.ingest.roster import AssignmentTable
from vitals import readings as columns
from vitals.bounds import MAX_T, is_name, shown
from vitals.readings import Readings, text
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.signs import FIELDS, SIGNS, SUSPECT_BITS, Suspect
from vitals.status import Rejected
from vitals.wire import device_reading, topics
from vitals.wire.device_reading import DeviceReading
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)
REJECTED_BYTES: Final = 4_096
"""Length to which the payload of a rejected message is cut, bytes."""
RAISED: Final = "cannot be "
"""Start of the rejection reason of a message that raised an unexpected exception."""
REASONS: Final = {
    "frame of": "oversized",
    "not a frame": "not-a-frame",
    "boot": "out-of-range",
    "seq": "out-of-range",
    "t ": "out-of-range",
    "no known sign": "unknown-sign",
    "device": "bad-device-id",
    RAISED: "raised",
}
"""Kinds of rejection by the start of the reason: metrics need few labels."""


class IngestResult(NamedTuple):
    """Result of a number of messages.

    Attributes:
        readings: New readings, in arrival order.
        rejected: Rejected messages.
        duplicates: Number of repeated readings.
    """

    readings: Readings
    rejected: tuple[Rejected, ...]
    duplicates: int


class DecodedMessage(NamedTuple):
    """Decoded message: its frame, or the reason for its rejection."""

    delivery: DeviceMessage
    frame: DeviceReading | None
    reason: str = ""


class DeviceStates(msgspec.Struct, frozen=True):
    """State of the devices that a restart needs: clocks and filter history, as bytes of float64.

    Attributes:
        devices: Device ids, by row.
        clock: (n, device_clock.COLUMNS).
        history: (artefact_filter.COLUMNS, n, signs).
        signs: Signs of `history`; a history with other signs is not restored.
        columns: Columns of `history`, likewise.
    """

    devices: list[str]
    clock: bytes
    history: bytes
    signs: tuple[str, ...]
    columns: int


class Ingest:
    """Turns messages into readings, with the state of each device.

    Args:
        gateway: Gateway id.
        ledger: Accepted identities.
    """

    def __init__(self, gateway: str, ledger: SeenSequences) -> None:
        self._gateway = gateway
        self._seen = ledger
        self._rows = DeviceRows()
        self._clock = np.empty((0, device_clock.COLUMNS))
        # Plane by plane: the filter processes one column of all devices before the next.
        self._history = np.empty((artefacts.COLUMNS, 0, len(SIGNS)))

    def take(self, heard: Sequence[DecodedMessage], assignments: AssignmentTable) -> IngestResult:
        """Turns messages into readings and adds each new one to the ledger.

        Args:
            heard: Messages in arrival order.
            assignments: Roster in force.
        """
        found: list[tuple[DeviceMessage, DeviceReading]] = []
        rejected = []
        duplicates = 0
        for delivery, frame, reason in heard:
            if frame is None:
                topic = topics.device_vitals(delivery.device)
                rejected.append(Rejected(topic=topic, reason=reason, t=delivery.t_gw, payload=delivery.payload))
            elif self._seen.add(delivery.device, frame.boot, frame.seq):
                found.append((delivery, frame))
            else:
                duplicates += 1
        taken, failed = self._whole(found, assignments)
        return IngestResult(taken, (*rejected, *failed), duplicates)

    def _whole(
        self, found: list[tuple[DeviceMessage, DeviceReading]], assignments: AssignmentTable
    ) -> tuple[Readings, list[Rejected]]:
        """Turns frames into readings; one that raises is rejected and leaves no trace in the devices' state."""
        if not found:
            return columns.empty(), []
        slots = self._room([delivery.device for delivery, _ in found])
        before = self._clock[slots], self._history[:, slots]
        try:
            return self._readings(found, assignments), []
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            self._clock[slots], self._history[:, slots] = before
            if len(found) == 1:
                delivery, _ = found[0]
                log.exception("reading of device %s raised an error and is rejected", delivery.device)
                reason = f"cannot be taken: {describe_exception(error)}"
                topic = topics.device_vitals(delivery.device)
                return columns.empty(), [
                    Rejected(topic=topic, reason=reason, t=delivery.t_gw, payload=delivery.payload)
                ]
        parts = [self._whole([one], assignments) for one in found]
        return columns.concat([part for part, _ in parts]), [one for _, failed in parts for one in failed]

    def replay(self, readings: Readings, assignments: AssignmentTable) -> None:
        """Applies to the filter the readings that were accepted after its state was stored."""
        devices = readings.device.tolist()
        slots = self._room(devices)
        profile = assignments.profiles(devices)
        off = readings.suspect_digits() == Suspect.SENSOR_OFF
        try:
            for i in rounds(slots):
                self._filter(slots[i], readings.t[i], readings.values[i], off[i], profile[i])
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception:
            log.exception("%d stored readings cannot be replayed to the filter and are left out", len(readings))

    def clocks(self) -> dict[str, device_clock.Clock]:
        """Returns each device's clock."""
        return device_clock.clocks(self._rows.devices(), self._clock)

    def rebase(self, jump_ms: int) -> None:
        """Shifts all times after the gateway's clock was set by `jump_ms`."""
        self._clock = device_clock.rebased(self._clock, jump_ms)
        self._history = artefacts.rebased(self._history, jump_ms)

    def memory(self) -> bytes:
        """Returns the state of the devices that a restart needs, compressed."""
        count = len(self._rows)
        known = DeviceStates(
            self._rows.devices(),
            self._clock[:count].tobytes(),
            self._history[:, :count].tobytes(),
            FIELDS,
            artefacts.COLUMNS,
        )
        return zlib.compress(msgspec.msgpack.encode(known), 6)

    def recall(self, memory: bytes | None) -> bytes | None:
        """Restores the state of an earlier run; returns it, None if there is none or it is invalid."""
        try:
            known = msgspec.msgpack.decode(zlib.decompress(memory), type=DeviceStates) if memory else None
            if known is None:
                return None
            clocks = np.frombuffer(known.clock)
            # An earlier version stored fewer columns of each clock: these clocks are measured again.
            if clocks.size == device_clock.FORMER_COLUMNS * len(known.devices):
                clocks = np.full((len(known.devices), device_clock.COLUMNS), device_clock.UNKNOWN)
            clocks = clocks.reshape(len(known.devices), device_clock.COLUMNS)
            planes = artefacts.COLUMNS, len(known.devices), len(SIGNS)
            same = (known.signs, known.columns) == (FIELDS, artefacts.COLUMNS)
            history = np.frombuffer(known.history).reshape(planes) if same else np.full(planes, math.nan)
        except (ValueError, zlib.error) as error:
            log.warning("stored device state is invalid and is discarded: %s", error)
            return None
        rows = self._room(known.devices)
        self._clock[rows], self._history[:, rows] = clocks, history
        return memory

    def _room(self, devices: list[str]) -> NDArray[np.intp]:
        slots = self._rows.of(devices)
        self._clock = grown(self._clock, len(self._rows), device_clock.UNKNOWN)
        self._history = grown(self._history, len(self._rows), math.nan, axis=1)
        return slots

    def _filter(
        self,
        rows: NDArray[np.intp],
        t: NDArray[np.int64],
        values: NDArray[np.float64],
        off: NDArray[np.bool_],
        profile: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        history = np.moveaxis(self._history[:, rows], 0, 1)
        values, codes, history = artefacts.clean(history, t, values, off, profile)
        self._history[:, rows] = np.moveaxis(history, 1, 0)
        return values, codes

    def _readings(self, found: list[tuple[DeviceMessage, DeviceReading]], assignments: AssignmentTable) -> Readings:
        devices = [delivery.device for delivery, _ in found]
        t_gw = np.array([delivery.t_gw for delivery, _ in found], dtype=np.int64)
        boot, seq, t = np.array([(f.boot, f.seq, f.t) for _, f in found], dtype=np.int64).T.copy()
        values = np.array([frame.values for _, frame in found], dtype=np.float64)
        off = np.zeros(values.shape, dtype=np.bool_)
        for k, (_, frame) in enumerate(found):
            if frame.off:
                off[k] = [field in frame.off for field in FIELDS]
        slots = self._room(devices)
        codes = np.zeros(values.shape, dtype=np.int64)
        profile = assignments.profiles(devices)
        for i in rounds(slots):
            rows = slots[i]
            event, unbelieved, self._clock[rows] = device_clock.correct(
                self._clock[rows], boot[i], seq[i], t[i], t_gw[i]
            )
            # If a clock that was years ahead becomes right, the correction yields a time before 1970: use the arrival.
            astray = (event <= 0) | (event > MAX_T)
            t[i], unbelieved = np.where(astray, t_gw[i], event), unbelieved | astray
            values[i], judged = self._filter(rows, t[i], values[i], off[i], profile[i])
            codes[i] = _with_clock(judged, unbelieved, values[i])
        placed = assignments.place(devices, t, t_gw)
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


def decode_message(delivery: DeviceMessage) -> DecodedMessage:
    """Decodes a message; returns the reason if it is no valid frame."""
    if not is_name(delivery.device):
        return refused(delivery, f"device id {shown(delivery.device)} is no name: see the bounds in docs/security.md")
    try:
        frame = device_reading.decode(delivery.payload)
    except WireError as error:
        return refused(delivery, str(error))
    if frame.t <= 0 or delivery.t_gw <= 0:
        return refused(delivery, f"t {frame.t} of boot {frame.boot}, come at {delivery.t_gw}, is out of range")
    return DecodedMessage(delivery, frame)


def refused(delivery: DeviceMessage, reason: str) -> DecodedMessage:
    """Returns a rejected message; its payload is cut to the stored length, as many may wait in memory."""
    return DecodedMessage(delivery._replace(payload=delivery.payload[:REJECTED_BYTES]), None, reason)


def rejection_kind(rejected: Rejected) -> str:
    """Returns the kind of a rejection, for metrics."""
    return next((kind for start, kind in REASONS.items() if rejected.reason.startswith(start)), "other")
