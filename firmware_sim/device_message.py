"""The frame that a device sends: one JSON object, written by hand from the device contract.

No decoder is shared with the gateway, on purpose: a mistake made on both sides by one codec would never be seen.
"""

from collections.abc import Sequence

import numpy as np

from vitals.signs import FIELDS, SIGNS

_WHOLE = tuple(sign.decimals == 0 for sign in SIGNS)


def encode(boot: int, seq: int, t: int, values: Sequence[float | None], off: Sequence[str] = ()) -> bytes:
    """Writes a frame.

    Args:
        boot: Random 32-bit number of the device's start.
        seq: Number of the reading within it.
        t: The device's clock, UTC epoch ms.
        values: One per sign in digit order, in its unit; None where absent.
        off: Fields whose sensor is disconnected.
    """
    parts = [f'"boot":{boot},"seq":{seq},"t":{t}']
    for field, whole, value in zip(FIELDS, _WHOLE, values, strict=True):
        if value is not None:
            number = str(int(value)) if whole and value == int(value) else repr(round(value, 2))
            parts.append(f'"{field}":{number}')
    if off:
        parts.append('"off":[' + ",".join(f'"{field}"' for field in off) + "]")
    return ("{" + ",".join(parts) + "}").encode()


def garbage(frame: bytes, rng: np.random.Generator) -> bytes:
    """Returns bytes that are no frame: noise, a frame cut short, a wrong type, a NaN for time, too deep, too long."""
    kind = rng.integers(6)
    if kind == 0:
        return b"\xff" + rng.bytes(int(rng.integers(1, 200)))
    if kind == 1:
        return frame[: int(rng.integers(1, len(frame) - 1))]
    if kind == 2:  # noqa: PLR2004 - the cases are numbered
        return frame.replace(b'"seq":', b'"seq":"x",' + b'"was":', 1)
    if kind == 3:  # noqa: PLR2004 - as above
        return frame[:-1] + b',"t":NaN}'
    if kind == 4:  # noqa: PLR2004 - as above
        return b"[" * 3000
    return frame[:-1] + b',"note":"' + b"x" * 8000 + b'"}'
