"""Rows of the journal: readings as compressed columns."""

import zlib
from typing import Final

from vitals.readings import Readings
from vitals.wire import vitals_record
from vitals.wire.vitals_record import WireError

MAX_ROW_BYTES: Final = 16 * 2**20


def encode(readings: Readings) -> bytes:
    """Encodes readings as a row."""
    return zlib.compress(vitals_record.encode_vitals(readings), 6)


def decode(columns: bytes) -> Readings:
    """Decodes a row.

    Raises:
        WireError: The bytes are no valid row.
    """
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(columns, MAX_ROW_BYTES)
    except zlib.error as error:
        raise WireError(f"row does not decompress: {error}") from error
    if not inflater.eof:
        raise WireError("row does not decompress: it is cut, or too long")
    return vitals_record.decode_vitals(plain)
