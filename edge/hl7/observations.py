"""Observations of an HL7 message (ORU^R01 of IHE PCD-01 and its dialects, alarms of ORU^R40).

Pure. One bad value costs its sign: it counts as zero, a monitor's number for no value. A message that
could be mistaken for another (waveform, demonstration, two patients, a code of two signs) is refused as a whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final, NamedTuple

import hl7

from edge.hl7 import times
from edge.hl7.codes import LINE, PRESSURES, CodeError, SignCode, WaveformError, sign, unit
from edge.hl7.sensors import off
from vitals.hl7.header import Code, Header
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.signs import FIELDS

NO_VALUE: Final = 0.0
"""A monitor's zero: the gateway's filter marks it as a dropout."""
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}(?:[.,]\d{0,6})?", re.ASCII)
_UNUSABLE: Final = frozenset("XDWNIO")
"""OBX-11: cannot be obtained, deleted, wrong, not requested, pending, order detail."""
_INVALID: Final = frozenset(("INV", "NAV", "CALIB", "XQUAL"))
"""OBX-8 of IHE PCD-01: invalid, not available, being calibrated."""
_PLAYED: Final = frozenset(("DEMO", "TEST"))
_SENTINELS: Final = frozenset((32_767.0, 65_535.0, 8_388_607.0, 2_147_483_647.0))
_ARRAYS: Final = frozenset(("NA", "MA"))
_NUMBERS: Final = frozenset(("", "NM", "SN", "ST", "TX", "FT", "SI"))
_WAVES: Final = "W01"
_ALARMS: Final = frozenset(("R40", "R42"))
_ENDED: Final = frozenset(("end", "inactive", "off", "reset", "latched-end"))
_PHASES: Final = frozenset(
    ("MDC_ATTR_EVENT_PHASE", "MDC_ATTR_EVT_PHASE", "MDC_ATTR_ALARM_STATE", "MDC_ATTR_ALERT_STATE")
)
_TRAINING: Final = "T"
NAMED: Final = 5


class RefusedError(ValueError):
    """The message is refused, with its reason.

    Args:
        code: Error if its content is at fault, reject if such a message is never read.
        reason: Reason.
    """

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Value(NamedTuple):
    """One value: code of the sign, value in its unit (`NO_VALUE` for none), own time (UTC epoch ms)."""

    code: SignCode
    value: float
    t: int


@dataclass(slots=True)
class Observed:
    """Content of a message.

    Attributes:
        t: Time of the message, UTC epoch ms.
        values: Values of known signs.
        off: Fields of sensors reported off.
        ended: Fields of sensors with an alarm that it ends.
        patients: Identifiers of the patient, empty if it names none.
        alarm: Whether it is an alarm, which needs no values.
        bed: PV1-3, its parts joined by hyphens.
    """

    t: int
    values: list[Value] = field(default_factory=list)
    off: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    patients: tuple[str, ...] = ()
    alarm: bool = False
    bed: str = ""


@dataclass(slots=True)
class _Alarm:
    """Alarm of one OBR, from all its segments."""

    off: frozenset[str] = frozenset()
    source: str = ""
    ended: bool = False


def read(message: bytes, header: Header, zone: tzinfo | None, now: int) -> Observed:
    """Reads a message.

    Args:
        message: The message without its frame.
        header: Its header.
        zone: Zone of times without an offset.
        now: UTC epoch ms.

    Raises:
        RefusedError: It is no message of vital signs, or cannot be trusted.
    """
    event = _checked(header)
    try:
        parsed = hl7.parse(message.decode(header.charset, errors="replace").replace("\r\n", "\r").replace("\n", "\r"))
    except NOT_CAUSED_BY_INPUT:
        raise
    except Exception as error:
        raise RefusedError(Code.REJECT, f"message cannot be parsed: {error}") from error
    found = Observed(times.parse(header.time, zone, now) or now, alarm=event in _ALARMS)
    at, alarm, others, subjects = found.t, _Alarm(), [], 0
    for segment in parsed:
        name, fields = str(segment[0]), [str(one) for one in segment]
        if name == "PID":
            subjects += 1
            found.patients = _patients(fields, header) or found.patients
        elif name == "PV1":
            found.bed = "-".join(part for part in re.split(r"[\^&]", _at(fields, 3)) if part.strip())
        elif name == "OBR":
            _close(alarm, found)
            alarm, at = _Alarm(), times.parse(_at(fields, 7), zone, now) or found.t
        elif name == "OBX":
            seen = _observation(fields, header, alarm, times.parse(_at(fields, 14), zone, now) or at)
            if seen is None:
                others.append("^".join(_at(fields, 3).split(header.encoding[0])[:2])[:40])
            else:
                found.values.append(seen)
    _close(alarm, found)
    if subjects > 1:
        raise RefusedError(Code.ERROR, "message is about more than one patient")
    if not (found.values or found.off or found.alarm):
        raise RefusedError(Code.ERROR, f"no known sign: it has {', '.join(others[:NAMED]) or 'no OBX segment'}")
    return found


def chosen(values: Sequence[Value]) -> dict[str, float]:
    """Returns one value a sign, a usable one first, by preference of its code; a line's pressures exclude a cuff's."""
    lines = {v.code.field for v in values if v.code.rank == LINE and v.code.field in PRESSURES and v.value != NO_VALUE}
    by_sign: dict[str, Value] = {}
    for one in values:
        if lines and one.code.field in PRESSURES and one.code.rank != LINE:
            continue
        best = by_sign.get(one.code.field)
        if best is None or (one.value == NO_VALUE, one.code.rank) < (best.value == NO_VALUE, best.code.rank):
            by_sign[one.code.field] = one
    return {name: by_sign[name].value for name in FIELDS if name in by_sign}


def _checked(header: Header) -> str:
    """Returns the trigger event of a message that is read."""
    kind, event, *_ = (*header.kind.split(header.encoding[0]), "", "")
    if event == _WAVES:
        raise RefusedError(Code.REJECT, "waveforms (ORU^W01) are not read: have the monitor send numerics")
    if kind != "ORU" or not (event in {"R01", ""} or event in _ALARMS):
        raise RefusedError(Code.REJECT, f"{kind}^{event} is not read here: ORU^R01 and ORU^R40 are")
    if header.processing.partition(header.encoding[0])[0] == _TRAINING:
        raise RefusedError(Code.REJECT, "message is of a monitor in training mode (MSH-11 T)")
    return event


def _observation(fields: list[str], header: Header, alarm: _Alarm, t: int) -> Value | None:
    """Reads an OBX segment; returns its value if it is of a known sign, and notes an alarm's part."""
    component, repetition = header.encoding[0], header.encoding[1]
    kind, raw = _at(fields, 2).strip().upper(), _at(fields, 5)
    parts = _at(fields, 3).split(component)
    try:
        code = sign(parts)
        if code is None:
            _note(alarm, parts, raw.replace(component, " "), _at(fields, 11).strip())
            return None
        if kind in _ARRAYS or repetition in raw or (component in raw and kind != "SN"):
            raise WaveformError(f"{code.field} has several values in one OBX: a waveform, and no value per minute")
        convert = unit(code.field, _at(fields, 6).split(component))
    except (CodeError, WaveformError) as error:
        raise RefusedError(Code.ERROR, str(error)) from error
    flags = {flag.strip().upper() for flag in _at(fields, 8).split(repetition)}
    if flags & _PLAYED:
        raise RefusedError(Code.ERROR, f"{code.field} is of a demonstration or a test, not of a patient")
    usable = kind in _NUMBERS and not flags & _INVALID and _at(fields, 11).strip().upper() not in _UNUSABLE
    value = _number(raw, component) if usable and convert is not None else NO_VALUE
    return Value(code, convert(value) if value != NO_VALUE and convert is not None else NO_VALUE, t)


def _number(raw: str, component: str) -> float:
    """Returns a number, `NO_VALUE` for an empty field, a text, a negative number and a code for no value."""
    comparator, _, rest = raw.partition(component)
    plain = (rest.partition(component)[0] if comparator.strip() in {"", "="} else "") if component in raw else raw
    if _NUMBER.fullmatch(plain.strip()) is None:
        return NO_VALUE
    value = float(plain.strip().replace(",", "."))
    return NO_VALUE if value <= 0 or value in _SENTINELS else value


def _note(alarm: _Alarm, parts: list[str], text: str, status: str) -> None:
    """Records an alarm's part in an OBX without a sign."""
    names = {part.strip().upper() for part in parts[:2]}
    if names & _PHASES:
        alarm.ended |= text.strip().lower() in _ENDED
    elif status not in _UNUSABLE:
        alarm.source += f" {text}"
        alarm.off |= off(f"{' '.join(parts[:2])} {text}")


def _close(alarm: _Alarm, found: Observed) -> None:
    """Adds an alarm to the content."""
    fields = alarm.off or off(alarm.source)
    if found.alarm and alarm.ended:
        found.ended |= fields
    else:
        found.off |= fields


def _patients(fields: list[str], header: Header) -> tuple[str, ...]:
    """Returns the identifiers of PID-3, or of PID-2 in old versions."""
    component, repetition = header.encoding[0], header.encoding[1]
    for k in (3, 2):
        ids = [one.partition(component)[0].strip() for one in _at(fields, k).split(repetition)]
        if named := tuple(one for one in ids if one and one != '""'):
            return named
    return ()


def _at(fields: list[str], k: int) -> str:
    return fields[k] if k < len(fields) else ""
