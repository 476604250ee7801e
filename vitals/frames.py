"""What a bedside device sends: one JSON object per reading, decoded with bounds."""

from typing import Any, Final

import msgspec

from vitals.readings import MAX_BOOT, MAX_SEQ, MAX_T
from vitals.records import WireError
from vitals.signs import FIELDS

MAX_FRAME_BYTES: Final = 4096

_Frame = msgspec.defstruct(
    "_Frame",
    [
        ("boot", int),
        ("seq", int),
        ("t", int),
        *((field, float | None, None) for field in FIELDS),
        ("off", list[str], msgspec.field(default_factory=list)),
    ],
    kw_only=True,
)
_decoder = msgspec.json.Decoder(_Frame)


class Frame(msgspec.Struct, frozen=True):
    """One reading as a device sent it.

    Attributes:
        boot: Random 32-bit number of the device's start.
        seq: Number of the reading within its boot.
        t: Device's clock, UTC epoch ms.
        values: One per sign in digit order; None where absent.
        off: Fields of signs whose sensor is disconnected.
    """

    boot: int
    seq: int
    t: int
    values: tuple[float | None, ...]
    off: frozenset[str]


def decode(payload: bytes) -> Frame:
    """Reads a device's message; unknown fields are passed over, as devices are newer than gateways.

    Raises:
        WireError: The bytes are no such message; the message says why.
    """
    if len(payload) > MAX_FRAME_BYTES:
        raise WireError(f"frame of {len(payload)} bytes is over {MAX_FRAME_BYTES}")
    try:
        frame: Any = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a frame: {error}") from error
    if not (0 <= frame.boot <= MAX_BOOT and 0 <= frame.seq <= MAX_SEQ and 0 <= frame.t <= MAX_T):
        raise WireError(f"boot {frame.boot}, seq {frame.seq} or t {frame.t} is out of range")
    if frame.off and (unknown := set(frame.off) - set(FIELDS)):
        raise WireError(f"sensor-off report names unknown signs: {', '.join(sorted(unknown))}")
    boot, seq, t, *values, off = msgspec.structs.astuple(frame)
    return Frame(boot, seq, t, tuple(values), frozenset(off))
