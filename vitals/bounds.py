"""Bounds of everything that crosses from one process to another: numbers, times, texts, names, lists.

A value that a door takes must be held by all behind it: the alarm engine's 32-bit columns, its snapshot, Kafka's
records, the lake's and warehouse's columns, and the names of topics, files, SNS and IoT. Types in `vitals` are built of
these, so what decodes is within them; `docs/security.md` has them as a table, which a test compares.
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
"""The largest whole number that every reader of JSON holds exactly."""
MAX_BATCH: Final = 2**63 - 1
"""The largest number of a batch that a gateway's database can hold."""
FOREVER: Final = 2**53
"""End of a duty that has none, ms."""
MAX_T: Final = 3_723_753_600_000
"""Begin of 2088, ms: up to it a time in whole seconds since 2020 fits the engine's 32 bits."""
MAX_CALENDAR: Final = 253_402_300_799_000
"""End of 9999, ms: past it no store holds a time. A device's clock may say so, as it is corrected."""
MAX_BOOT: Final = 2**32 - 1
MAX_SEQ: Final = MAX_INT
MAX_VALUE: Final = 1e6
"""No sign's unit gives such a number, and no limit is one: it is damage."""
MIN_CADENCE_S, MAX_CADENCE_S = 0.1, 3600.0
"""A monitor sends ten readings a second at most; one that is silent for an hour watches nobody."""
MIN_CUFF_S, MAX_CUFF_S = 10.0, 86_400.0
"""A cuff takes ten seconds to measure, and a patient with less than one pressure a day has no cuff."""
MAX_DELAY_S: Final = 3600.0
"""A condition that is told an hour late is not watched."""
MAX_ID: Final = 128
MAX_LINE: Final = 512
"""A name, an address, who acted, an alarm's id: a cell of a file."""
MAX_PROSE: Final = 65_536
"""A reason, an error, what an alarm says: whatever they quote, its writer must be read."""
MAX_SIGNS: Final = 64
"""Entries of a list with one for each sign."""
MAX_MESSAGE: Final = 128 * 1024
"""Bytes of a message between gateway and bridge: AWS IoT Core's largest, beyond which it ends the connection."""
MAX_ASIDE: Final = 128 * 1024
"""Bytes that are kept of what cannot be read."""
MAX_REFUSED: Final = 16 * 1024
"""Bytes that are kept of a record that Kafka refuses for good: for its size most likely, and so it would this."""
MAX_DEVICES: Final = 4096
"""Devices of one gateway, alarms of one, placements of a roster: more than a message can name. Gateways that a bridge
names in its status: with names of 64 characters half a megabyte, and with the longest no more than a record takes."""
MAX_CONTACTS: Final = 1000
MAX_SLOTS: Final = 256
MAX_RECENT: Final = 64
"""Values before an alarm that it tells."""
MAX_RANGES: Final = 100_000

_HIDDEN: Final = (
    # Control, soft hyphen, combining marks apart (composed letters are one character), Arabic and Mongolian controls.
    r"\x00-\x1f\x7f-\xa0\xad\u0300-\u036f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1100-\u11ff\u1680\u180e"
    # Spaces, marks of direction, hyphens that look like another, joiners; private use and what is no character.
    r"\u2000-\u206f\u3000\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uff00-\uffff\U000e0000-\U0010ffff"
)
_ID: Final = (
    # Of Latin beside Greek or Cyrillic one letter is taken for another.
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
"""UTC epoch ms. A gateway whose clock is not set counts from 1970, and must be able to say so."""
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
"""Names an SNS topic: ASCII, at most 256 with what is put before it."""
Name = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
"""A name as another process passes it on; whoever gives it checks `Id`."""
Line = Annotated[str, Meta(max_length=MAX_LINE)]
AlarmName = Annotated[str, Meta(min_length=1, max_length=MAX_LINE)]
"""Subject, condition and begin of an alarm, divided by dots (`vitals.alarm_events.alarm_id`)."""
Words = Annotated[str, Meta(max_length=MAX_PROSE)]


class BoundError(ValueError):
    """A value that no door takes; the message says which and why."""


def name(raw: str, what: str) -> str:
    """Returns a name as all parts write it: composed (NFC), without spaces around it.

    Args:
        raw: As a person wrote it.
        what: What it names.

    Raises:
        BoundError: It is empty, too long, or has a character that cannot be seen, deceives or divides topics.
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
    """Whether a text is a name by the rule of `Id`, as it stands."""
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
    """Returns any value for a reason: in ASCII, short, and of a number too long to be written its length."""
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004 - str() refuses numbers of 4,300 digits
        return f"a number of {value.bit_length()} bits"
    return ascii(value)[:MAX_ID]


def digits(raw: str, most: int = MAX_INT) -> int | None:
    """Returns the number that ASCII digits write; None for anything else, and for one beyond `most`."""
    if not (raw.isascii() and raw.isdigit()) or len(raw) > len(str(most)):
        return None
    found = int(raw)
    return found if found <= most else None


_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decoded(value: bytes, kind: type[T]) -> T:
    """Reads JSON.

    Raises:
        BoundError: The bytes are none of that kind, whatever they are: no other exception comes.
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
    """Returns the first of some entries of a list that so many bytes of a message hold, `MAX_DEVICES` at most."""
    found = []
    for entry in islice(entries, MAX_DEVICES):
        left -= len(msgspec.json.encode(entry)) + 1
        if left < 0:
            break
        found.append(entry)
    return found


def encoded(value: msgspec.Struct) -> bytes:
    """Writes JSON that reads back as what was written.

    Building a value in Python asks for no bounds, and JSON has no infinity: what is written unread is found out by
    whoever reads it, and by then nobody can take it back.

    Raises:
        BoundError: It does not read back.
    """
    try:
        found = msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise BoundError(str(error)) from error
    if decoded(found, type(value)) != value:
        raise BoundError(f"a {type(value).__name__.lower()} holds a number that cannot be written")
    return found
