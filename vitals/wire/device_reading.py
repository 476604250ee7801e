"""Wire format of a bedside device: one JSON object per reading, decoded with bounds.

A message without identity and time is rejected. A sign that is no number within bounds (NaN, a text, an impossible
value) affects only that sign: it counts as zero, with which a monitor reports that it has no value.
"""

import json
import math
from typing import Annotated, Any, Final

import msgspec

from vitals.bounds import MAX_BOOT, MAX_CALENDAR, MAX_SEQ, MAX_VALUE, Boot, Line, Seq, Value, shown
from vitals.signs import FIELDS
from vitals.wire.vitals_record import WireError

MAX_FRAME_BYTES: Final = 4096
NO_VALUE: Final = 0.0
"""A monitor's code for having no value; the artefact filter marks it as a dropout."""
_IDENTITY: Final = {"boot": MAX_BOOT, "seq": MAX_SEQ, "t": MAX_CALENDAR}
_NOTHING: Final[frozenset[str]] = frozenset()
_NAMED: Final = 5
"""Most unknown names in a reason."""

_Frame = msgspec.defstruct(
    "_Frame",
    [
        ("boot", Boot),
        ("seq", Seq),
        ("t", Annotated[int, msgspec.Meta(ge=0, le=MAX_CALENDAR)]),
        *((field, Value | None, None) for field in FIELDS),
        ("off", list[Line], msgspec.field(default_factory=list)),
    ],
    kw_only=True,
)
_decoder = msgspec.json.Decoder(_Frame)


class DeviceReading(msgspec.Struct, frozen=True):
    """One reading as a device sent it.

    Attributes:
        boot: Random 32-bit number of the device's start.
        seq: Number of the reading within its boot.
        t: Device's clock, UTC epoch ms.
        values: One per sign in digit order; None if absent, `NO_VALUE` if it is no number.
        off: Fields of signs whose sensor is disconnected.
    """

    boot: int
    seq: int
    t: int
    values: tuple[float | None, ...]
    off: frozenset[str]


def decode(payload: bytes) -> DeviceReading:
    """Decodes a device's message; unknown fields are ignored, because devices may be newer than gateways.

    Of two equal keys the last counts.

    Raises:
        WireError: The bytes are no such message, or name no known sign; the message has the reason.
    """
    if len(payload) > MAX_FRAME_BYTES:
        raise WireError(f"frame of {len(payload)} bytes is over {MAX_FRAME_BYTES}")
    try:
        frame: Any = _decoder.decode(payload)
    except (ValueError, RecursionError):
        return _sign_by_sign(payload)
    boot, seq, t, *values, off = msgspec.structs.astuple(frame)
    known = frozenset(off).intersection(FIELDS) if off else _NOTHING
    if not known and values.count(None) == len(values):
        # Rare, and possibly no reading: decoded sign by sign.
        return _sign_by_sign(payload)
    return DeviceReading(boot, seq, t, tuple(values), known)


def _sign_by_sign(payload: bytes) -> DeviceReading:
    """Decodes a faulty message: its correct signs count."""
    found = _loosely(payload)
    boot, seq, t = (_whole(found, name, most) for name, most in _IDENTITY.items())
    off = found.get("off")
    known = frozenset(FIELDS).intersection(one for one in off if isinstance(one, str)) if isinstance(off, list) else ()
    others = [ascii(name)[:32] for name in found if name not in _IDENTITY]
    if others and not known and not found.keys() & set(FIELDS):
        # With field names in another spelling a device would appear to work, and its patient would not be monitored.
        raise WireError(f"no known sign: it has {', '.join(others[:_NAMED])}; known are {', '.join(FIELDS)}")
    return DeviceReading(boot, seq, t, tuple(_value(found.get(field)) for field in FIELDS), frozenset(known))


def _loosely(payload: bytes) -> dict[str, Any]:
    """Decodes JSON as some libraries write it, with NaN and Infinity.

    Raises:
        WireError: It is no object.
    """
    try:
        found = json.loads(payload.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a frame: {error}") from error
    if not isinstance(found, dict):
        raise WireError(f"not a frame: expected an object, got {type(found).__name__}")
    return found


def _whole(found: dict[str, Any], name: str, most: int) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(f"not a frame: {name} is no whole number, but {shown(value)}")
    if not 0 <= value <= most:
        raise WireError(f"{name} {shown(value)} is out of range: 0 to {most}")
    return value


def _value(raw: object) -> float | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return NO_VALUE
    # Integers are compared without conversion: a float cannot represent all of them.
    usable = -MAX_VALUE <= raw <= MAX_VALUE and not math.isnan(raw)
    return float(raw) if usable else NO_VALUE
