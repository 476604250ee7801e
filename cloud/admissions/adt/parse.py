"""ADT messages to movements. Any bytes are either movements or a refusal with its reason."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import hl7

from cloud.admissions.adt.records import Movement, Trigger
from vitals.bounds import MAX_LINE, MAX_T, BoundError, clean, name
from vitals.hl7.header import Code, Header, HeaderError, read
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception

MAX_BYTES: Final = 64 << 10
"""Largest ADT message: one with every optional segment has some 10 KB."""
MAX_SEGMENTS: Final = 500
AHEAD_MS: Final = 300_000
"""Event times further ahead are the time of receipt: one of next year would outrank every later message."""
_TIME: Final = re.compile(r"(\d{8})(\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")
_DIGITS_OF_A_PHONE: Final = 3


class RefusedError(ValueError):
    """A refused message; the text is the reason for the sender's log.

    Attributes:
        code: Acknowledgement code.
    """

    def __init__(self, reason: str, code: Code = Code.ERROR) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True)
class _Group:
    """Segments of one patient."""

    pid: hl7.Segment
    pv1: hl7.Segment | None = None
    mrg: hl7.Segment | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads ADT messages of one sender.

    Attributes:
        zone: Zone of times without an offset.
        authority: Assigning authority of the patient ids to use; empty: an id of type MR, else the first one.
    """

    zone: tzinfo = UTC
    authority: str = ""

    def read(self, raw: bytes, now: int) -> tuple[Movement, ...]:
        """Returns the movements of a message; none for a trigger event without effect on a bed.

        Args:
            raw: The message, without a frame.
            now: Time of receipt, UTC epoch ms.

        Raises:
            RefusedError: The message cannot be used. No other exception is raised for any bytes.
        """
        try:
            return self._read(raw, now)
        except (*NOT_CAUSED_BY_INPUT, RefusedError):
            raise
        except BoundError as error:
            raise RefusedError(str(error)) from error
        except Exception as error:
            raise RefusedError(f"the message cannot be parsed: {describe_exception(error)[:200]}") from error

    def _read(self, raw: bytes, now: int) -> tuple[Movement, ...]:
        if len(raw) > MAX_BYTES:
            raise RefusedError(f"the message has {len(raw)} bytes, more than {MAX_BYTES}", Code.REJECT)
        try:
            header = read(raw)
        except HeaderError as error:
            raise RefusedError(str(error), Code.REJECT) from error
        trigger = _trigger(header)
        if trigger is None:
            return ()
        text = _decoded(raw, header)
        if text.count("\r") > MAX_SEGMENTS:
            raise RefusedError(f"the message has more than {MAX_SEGMENTS} segments", Code.REJECT)
        message = hl7.parse(text)
        words = _Words(header)
        groups = list(_groups(message))
        if len(groups) < 1 + (trigger is Trigger.SWAP):
            raise RefusedError(f"{trigger.value} needs {1 + (trigger is Trigger.SWAP)} PID segments")
        if trigger is Trigger.SWAP:
            groups = groups[:2]
        elif trigger is not Trigger.MERGE:
            groups = groups[:1]
        sent = self._moment(header.time) or 0
        t = self._event_time(message, words) or sent
        if not t:
            raise RefusedError("the message has no event time (EVN-6, EVN-2 or MSH-7)")
        # Without the header's time: a repeat may have a later one.
        same = (header.application, header.facility, header.control, header.kind, text.partition("\r")[2])
        t = min(t, now + AHEAD_MS)
        digest = hashlib.sha256("\r".join(same).encode()).hexdigest()[:24]
        return tuple(
            self._movement(words, group, trigger, t=t, sent=sent, now=now, identity=f"{digest}/{number}")
            for number, group in enumerate(groups)
        )

    def _movement(
        self, words: "_Words", group: _Group, trigger: Trigger, *, t: int, sent: int, now: int, identity: str
    ) -> Movement:
        pid = group.pid
        patient = name(self._id(words, pid, 3), "patient id in PID-3")
        merged = ""
        if trigger is Trigger.MERGE:
            if group.mrg is None:
                raise RefusedError("A40 needs an MRG segment")
            merged = name(self._id(words, group.mrg, 1), "patient id in MRG-1")
            if merged == patient:
                raise RefusedError(f"A40 merges {patient} with itself")
        family, given, middle = words.parts(pid, 5, 3)
        return Movement(
            id=identity, trigger=trigger, t=t, sent=sent, received=now, control=words.header.control[:MAX_LINE],
            patient=patient, location=_location(words, group.pv1),
            merged=merged, name=_line(f"{given} {middle} {family}"),
            born=_born(words.field(pid, 7), t), phone=_phone(words, pid),
            address=_line(", ".join(part for part in words.parts(pid, 11, 6) if part)),
        )  # fmt: skip

    def _id(self, words: "_Words", segment: hl7.Segment, field: int) -> str:
        found = [words.split(each, 5) for each in words.repetitions(segment, field)]
        found = [each for each in found if each[0]]
        if self.authority:
            found = [each for each in found if each[3].split(words.sub)[0] == self.authority]
        if not found:
            raise RefusedError("the message has no patient id" + (f" of {self.authority}" if self.authority else ""))
        return next((each[0] for each in found if each[4] == "MR"), found[0][0])

    def _event_time(self, message: hl7.Message, words: "_Words") -> int | None:
        evn = next((s for s in message if str(s[0]) == "EVN"), None)
        for field in (6, 2) if evn is not None else ():
            if (t := self._moment(words.field(evn, field))) is not None:
                return t
        return None

    def _moment(self, raw: str) -> int | None:
        match = _TIME.fullmatch(raw.strip())
        if match is None:
            return None
        day, clock, offset = match.groups()
        clock = (clock or "").ljust(6, "0")
        try:
            found = datetime.strptime(day + clock[:6], "%Y%m%d%H%M%S").replace(tzinfo=self.zone)
            if offset:
                shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
                found = found.replace(tzinfo=UTC) - (shift if offset[0] == "+" else -shift)
            t = round((found.timestamp() + float(f"0{clock[6:]}" if clock[6:] else 0)) * 1000)
        except (ValueError, OverflowError):
            return None
        return t if 0 < t <= MAX_T else None


@dataclass(frozen=True, slots=True)
class _Words:
    """Fields of a message as text."""

    header: Header

    @property
    def sub(self) -> str:
        return self.header.encoding[3]

    def repetitions(self, segment: hl7.Segment, number: int) -> list[str]:
        return str(segment[number]).split(self.header.encoding[1]) if len(segment) > number else []

    def field(self, segment: hl7.Segment, number: int) -> str:
        return self.parts(segment, number, 1)[0]

    def parts(self, segment: hl7.Segment, number: int, count: int) -> list[str]:
        """Returns the first components of the first repetition."""
        return self.split(next(iter(self.repetitions(segment, number)), ""), count)

    def split(self, text: str, count: int) -> list[str]:
        found = [self._plain(part) for part in text.split(self.header.encoding[0])[:count]]
        return found + [""] * (count - len(found))

    def _plain(self, text: str) -> str:
        # HL7: two quotation marks delete a value.
        text = "" if text == '""' else text
        escape = self.header.encoding[2]
        if escape not in text:
            return text
        # Not the library's: it logs the field, and a field has names.
        marks = {"F": self.header.field, "E": escape, ".br": " "} | dict(zip("SRT", self._delimiters(), strict=True))
        sequence = re.escape(escape) + r"(F|E|S|R|T|\.br)" + re.escape(escape)
        return re.sub(sequence, lambda match: marks[match[1]], text)

    def _delimiters(self) -> tuple[str, str, str]:
        component, repetition, _, subcomponent = tuple(self.header.encoding)
        return component, repetition, subcomponent


def _trigger(header: Header) -> Trigger | None:
    kind = header.kind.split(header.encoding[0])
    if kind[0] != "ADT":
        raise RefusedError(f"{header.kind[:32]!a} is no ADT message", Code.REJECT)
    event = kind[1] if len(kind) > 1 else ""
    return Trigger(event) if event in set(Trigger) else None


def _decoded(raw: bytes, header: Header) -> str:
    try:
        text = raw.decode(header.charset)
    except UnicodeDecodeError:
        # Many senders write Windows' characters and do not say so.
        text = raw.decode("cp1252", errors="replace")
    return text.lstrip("\ufeff").replace("\r\n", "\r").replace("\n", "\r").strip()


def _groups(message: hl7.Message) -> Iterator[_Group]:
    group: _Group | None = None
    for segment in message:
        kind = str(segment[0])
        if kind == "PID":
            if group is not None:
                yield group
            group = _Group(segment)
        elif group is not None and kind == "PV1":
            group.pv1 = group.pv1 if group.pv1 is not None else segment
        elif group is not None and kind == "MRG":
            group.mrg = group.mrg if group.mrg is not None else segment
    if group is not None:
        yield group


def _location(words: _Words, pv1: hl7.Segment | None) -> str:
    if pv1 is None:
        return ""
    parts = [clean(part.split(words.sub)[0]).replace("^", " ") for part in words.parts(pv1, 3, 4)]
    return "^".join(parts).rstrip("^")[:MAX_LINE]


def _line(text: str) -> str:
    return clean(text)[:MAX_LINE]


def _born(raw: str, t: int) -> str:
    """Returns the date of birth, empty if it is none: a wrong one is no reason to leave a patient without alarms."""
    try:
        born = date.fromisoformat(f"{raw[:4]}-{raw[4:6]}-{raw[6:8]}")
    except ValueError:
        return ""
    return born.isoformat() if born.toordinal() <= datetime.fromtimestamp(t / 1000, UTC).toordinal() + 1 else ""


def _phone(words: _Words, pid: hl7.Segment) -> str:
    for field in (13, 14):
        parts = words.parts(pid, field, 12)
        for part in (parts[0], parts[11], " ".join(filter(None, (parts[5], parts[6])))):
            if sum(c in "0123456789" for c in part) >= _DIGITS_OF_A_PHONE:
                return _line(part)
    return ""
