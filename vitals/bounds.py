"""Bounds of all data between processes: numbers, times, texts, names, lists.

A value that one process accepts must fit all later stores: the alarm engine's 32-bit columns, its snapshot, Kafka's
records, the lake's and warehouse's columns, and the names of topics, files, SNS and IoT. Types in `vitals` use these
bounds, so decoded values are within them. `docs/security.md` has them as a table, which a test compares.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

MAX_INT: Final = 2**53 - 1
"""The largest integer that every JSON reader represents exactly."""
MAX_BATCH: Final = 2**63 - 1
"""The largest batch number that a gateway's database can store."""
FOREVER: Final = 2**53
"""End of a duty without end, ms."""
MAX_T: Final = 3_723_753_600_000
"""Begin of 2088, ms: up to it a time in whole seconds since 2020 fits the engine's 32 bits."""
MAX_CALENDAR: Final = 253_402_300_799_000
"""End of 9999, ms: no store has later times. A device's time may be this late, because it is corrected."""
MAX_BOOT: Final = 2**32 - 1
MAX_SEQ: Final = MAX_INT
MAX_VALUE: Final = 1e6
"""No sign has a larger value, and no limit is larger: such a number is damaged data."""
MIN_CADENCE_S, MAX_CADENCE_S = 0.1, 3600.0
"""A monitor sends ten readings a second at most; one that is silent for an hour monitors nobody."""
MIN_CUFF_S, MAX_CUFF_S = 10.0, 86_400.0
"""A cuff needs ten seconds to measure, and a patient with less than one pressure a day has no cuff."""
MAX_DELAY_S: Final = 3600.0
"""A condition that is reported an hour late is not monitored."""
MAX_ID: Final = 128
MAX_LINE: Final = 512
"""Characters of a name, an address, a person who acted, an alarm's id: a cell of a file."""
MAX_PROSE: Final = 65_536
"""Characters of a reason, an error, an alarm's text: long enough for any text that they quote."""
MAX_SIGNS: Final = 64
"""Entries of a list with one for each sign."""
MAX_MESSAGE: Final = 128 * 1024
"""Bytes of a message between gateway and bridge: AWS IoT Core's largest, beyond which it ends the connection."""
MAX_ASIDE: Final = 128 * 1024
"""Bytes that are kept of an unreadable message."""
MAX_REFUSED: Final = 16 * 1024
"""Bytes that are kept of a record that Kafka rejects for good: fewer, because the likely reason is its size."""
MAX_DEVICES: Final = 4096
"""Devices or alarms of one gateway, assignments of a roster: more than a message can name. Gateways in a bridge's
status: half a megabyte with names of 64 characters, and with the longest names no more than a record can hold."""
MAX_CONTACTS: Final = 1000
MAX_SLOTS: Final = 256
MAX_RECENT: Final = 64
"""Values before an alarm in its event."""
MAX_RANGES: Final = 100_000

_HIDDEN: Final = (
    # Controls, soft hyphen, separate combining marks (composed letters are one character), Arabic, Mongolian controls.
    r"\x00-\x1f\x7f-\xa0\xad\u0300-\u036f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1100-\u11ff\u1680\u180e"
    # Spaces, marks of direction, hyphens that resemble another, joiners, private use, code points without a character.
    r"\u2000-\u206f\u3000\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uff00-\uffff\U000e0000-\U0010ffff"
)
_ID: Final = (
    # Latin together with Greek or Cyrillic has letters that are confused.
    r"^(?![^A-Za-z]*[A-Za-z].*[\u0370-\u052f])(?!.*[\u0370-\u052f].*[A-Za-z])"
    # No space at the ends. `/ # +` divide MQTT topics, `*` is every ward, quotes and the backslash are SQL's.
    rf"(?! )[^/#+*\\'\"`<>$%?;|{{}}\[\]^{_HIDDEN}]+(?<! )\Z"
)

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Int = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
BatchNumber = Annotated[int, Meta(ge=1, le=MAX_BATCH)]
Boot = Annotated[int, Meta(ge=0, le=MAX_BOOT)]
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Time = Annotated[int, Meta(ge=1, le=MAX_T)]
"""UTC epoch ms. A gateway without a set clock counts from 1970, so small times are valid."""
TimeOrNone = Annotated[int, Meta(ge=0, le=MAX_T)]
"""UTC epoch ms, 0 for none."""
Shift = Annotated[int, Meta(ge=0, le=FOREVER)]
"""Begin or end of a duty, UTC epoch ms."""
Slot = Annotated[int, Meta(ge=0, lt=MAX_SLOTS)]
Value = Annotated[float, Meta(ge=-MAX_VALUE, le=MAX_VALUE)]
Cadence = Annotated[float, Meta(ge=MIN_CADENCE_S, le=MAX_CADENCE_S)]
Cuff = Annotated[float, Meta(ge=0, le=MAX_CUFF_S)]
Delay = Annotated[float, Meta(ge=0, le=MAX_DELAY_S)]
Id = Annotated[str, Meta(pattern=_ID, max_length=MAX_ID)]
"""Name of a patient, ward, bed, device, gateway, bridge or outbox."""
ContactId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z", max_length=MAX_ID)]
"""Names an SNS topic: ASCII, at most 256 characters with its prefix."""
Name = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
"""A name in a message of another process; the part in which it is first entered checks `Id`."""
Line = Annotated[str, Meta(max_length=MAX_LINE)]
AlarmName = Annotated[str, Meta(min_length=1, max_length=MAX_LINE)]
"""Subject, condition and start of an alarm, separated by dots (`vitals.alarm_events.alarm_id`)."""
Words = Annotated[str, Meta(max_length=MAX_PROSE)]


class BoundError(ValueError):
    """A value beyond its bounds; the message has the value and the reason."""


def name(raw: str, what: str) -> str:
    """Returns a name in normal form: composed (NFC), without spaces around it.

    Args:
        raw: The name as a person wrote it.
        what: Kind of the named thing, for the error.

    Raises:
        BoundError: It is empty, too long, or has a character that is invisible, deceptive or a topic separator.
    """
    found = unicodedata.normalize("NFC", raw).strip(" ")
    try:
        return msgspec.convert(found, Id)
    except msgspec.ValidationError:
        shown = ascii(found[: MAX_ID + 1])
        raise BoundError(
            f"{what} {shown} must be 1 to {MAX_ID} letters, digits and marks such as - _ . : without characters that "
            "cannot be seen, of one alphabet"
        ) from None


@lru_cache(maxsize=1 << 16)
def is_name(text: str) -> bool:
    """Returns whether a text is a name by the rule of `Id` in normal form."""
    try:
        return name(text, "") == text
    except BoundError:
        return False


def clean(raw: str) -> str:
    """Returns free text in one line: composed, without control characters and marks of direction."""
    kept = (" " if c.isspace() else c for c in unicodedata.normalize("NFC", raw))
    return " ".join("".join(c for c in kept if c not in _DIRECTION and unicodedata.category(c) not in _CONTROL).split())


_CONTROL: Final = frozenset({"Cc", "Cs", "Co", "Cn"})
_DIRECTION: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b")


def shown(value: object) -> str:
    """Formats any value for an error text: ASCII, short; for a very long integer only its length."""
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004 - str() refuses numbers of 4,300 digits
        return f"a number of {value.bit_length()} bits"
    return ascii(value)[:MAX_ID]


def digits(raw: str, most: int = MAX_INT) -> int | None:
    """Parses ASCII digits; returns None for anything else, and for a number beyond `most`."""
    if not (raw.isascii() and raw.isdigit()) or len(raw) > len(str(most)):
        return None
    found = int(raw)
    return found if found <= most else None


_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decoded(value: bytes, kind: type[T]) -> T:
    """Reads JSON.

    Raises:
        BoundError: The bytes are not of that kind; no other exception is raised.
    """
    try:
        decoder = _DECODERS.get(kind)
        if decoder is None:
            decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
        found: T = decoder.decode(value)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BoundError(str(error) or type(error).__name__) from error
    return found


def fitting(entries: Iterable[T], left: int) -> list[T]:
    """Returns the first entries of a list that fit into `left` bytes of a message, `MAX_DEVICES` at most."""
    found = []
    for entry in islice(entries, MAX_DEVICES):
        left -= len(msgspec.json.encode(entry)) + 1
        if left < 0:
            break
        found.append(entry)
    return found


def encoded(value: msgspec.Struct) -> bytes:
    """Encodes JSON, and checks that it decodes to the same value.

    A value built in Python is not checked against bounds, and JSON has no infinity. Without this check only a reader
    would find the error, when the message can no longer be withdrawn.

    Raises:
        BoundError: It does not decode to the same value.
    """
    try:
        found = msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise BoundError(str(error)) from error
    if decoded(found, type(value)) != value:
        raise BoundError(f"a {type(value).__name__.lower()} holds a number that cannot be written")
    return found
