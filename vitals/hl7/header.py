"""Header of an HL7 version 2 message, and the acknowledgement of one.

Read from the raw bytes, so that a message that does not parse is still answered with its own control id.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

CHARSETS: Final = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/2": "iso-8859-2",
    "8859/5": "iso-8859-5",
    "8859/9": "iso-8859-9",
    "8859/15": "iso-8859-15",
    "GB 18030-2000": "gb18030",
}
"""Python's codec by MSH-18; any other is read as UTF-8."""
DELIMITERS: Final = 4
TEXT: Final = 240
"""Most characters of a reason."""


class HeaderError(ValueError):
    """The bytes do not begin with an MSH segment."""


class Code(StrEnum):
    """Acknowledgement code of MSA-1."""

    ACCEPT = "AA"
    ERROR = "AE"
    REJECT = "AR"


class Header(NamedTuple):
    """Fields of MSH, as text with their delimiters.

    Attributes:
        field: Field separator, one character.
        encoding: MSH-2: component, repetition, escape and subcomponent separator.
        application: MSH-3, sending application.
        facility: MSH-4, sending facility.
        receiver: MSH-5, receiving application.
        receiving_facility: MSH-6.
        time: MSH-7.
        kind: MSH-9, message type and trigger event.
        control: MSH-10, control id.
        processing: MSH-11, processing id: P, D or T.
        version: MSH-12.
        charset: Python's codec for MSH-18.
    """

    field: str = "|"
    encoding: str = "^~\\&"
    application: str = ""
    facility: str = ""
    receiver: str = ""
    receiving_facility: str = ""
    time: str = ""
    kind: str = ""
    control: str = ""
    processing: str = "P"
    version: str = "2.6"
    charset: str = "utf-8"


def read(message: bytes) -> Header:
    """Reads the header of a message.

    Raises:
        HeaderError: There is no MSH segment with its delimiters.
    """
    first = message.lstrip(b"\r\n \xef\xbb\xbf").replace(b"\n", b"\r").partition(b"\r")[0].decode(errors="replace")
    if not first.startswith("MSH") or len(first) <= 2 * DELIMITERS:
        raise HeaderError("message does not begin with an MSH segment")
    field = first[3]
    if field.isalnum() or field.isspace():
        raise HeaderError(f"field separator {field!a} is a letter, a digit or a space")
    parts = first[4:].split(field)
    encoding = parts[0]
    if len(encoding) < DELIMITERS or len({field, *encoding[:DELIMITERS]}) <= DELIMITERS:
        raise HeaderError(f"MSH-2 {encoding[:8]!a} does not have four different delimiters")
    parts += [""] * (17 - len(parts))
    charset = parts[16].split(encoding[1])[0].strip().upper()
    return Header(
        field=field,
        encoding=encoding[:DELIMITERS],
        application=parts[1],
        facility=parts[2],
        receiver=parts[3],
        receiving_facility=parts[4],
        time=parts[5],
        kind=parts[7],
        control=parts[8],
        processing=parts[9],
        version=parts[10],
        charset=CHARSETS.get(charset, "utf-8"),
    )


def acknowledgement(header: Header, code: Code, now: int, reason: str = "") -> bytes:
    """Returns the ACK message to a message, in its delimiters, without a frame.

    Args:
        header: Header of the message; `Header()` if it has none.
        code: Accept, error or reject.
        now: UTC epoch ms; also the control id of the acknowledgement.
        reason: Reason of an error or a rejection, for the person who reads the sender's log.
    """
    field, component = header.field, header.encoding[0]
    stamp = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d%H%M%S}+0000"
    kind = header.kind.split(component)
    event = f"{component}{kind[1]}" if len(kind) > 1 else ""
    lines = [
        [
            "MSH",
            header.encoding,
            *(header.receiver, header.receiving_facility, header.application, header.facility),
            *(stamp, "", f"ACK{event}", f"{now}", header.processing or "P", header.version or "2.6"),
        ],
        ["MSA", code.value, header.control, *([escaped(reason, header)] if reason else [])],
    ]
    if code is not Code.ACCEPT:
        cause = component.join(("207", "Application internal error", "HL70357"))
        lines.append(["ERR", "", "", cause, "E", "", "", "", escaped(reason, header)])
    return ("\r".join(field.join(line) for line in lines) + "\r").encode(header.charset, "replace")


def escaped(text: str, header: Header) -> str:
    """Returns a text of one line, shortened, with the message's delimiters escaped."""
    component, repetition, escape, subcomponent = tuple(header.encoding)
    marks = {header.field: "F", component: "S", repetition: "R", escape: "E", subcomponent: "T"}
    plain = "".join(c if c.isprintable() else " " for c in text[:TEXT])
    return "".join(f"{escape}{marks[c]}{escape}" if c in marks else c for c in plain)
