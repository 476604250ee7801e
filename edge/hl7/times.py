"""Times of HL7 (TS and DTM) to UTC epoch ms."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_TIME: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?(?:\.(\d{1,6})\d*)?)?(?:([+-])(\d\d):?(\d\d))?", re.ASCII
)


def parse(text: str, zone: tzinfo | None, now: int) -> int | None:
    """Returns the time, None if it is none, or is a date without a time.

    Without an offset the time is local. In the hour that a clock change repeats, the one nearer to `now` is meant.

    Args:
        text: Time as in HL7, such as 20261130101500.25+0100.
        zone: Zone of local times; None for the machine's own.
        now: UTC epoch ms.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or found[4] is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    micros = int((found[7] or "").ljust(6, "0"))
    try:
        local = datetime(year, month, day, hour, minute, second, micros)  # noqa: DTZ001 - its zone follows
        if found[8]:
            offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
            return _ms(local.replace(tzinfo=timezone(offset if found[8] == "+" else -offset)))
        both = [_ms(_in_zone(local.replace(fold=fold), zone)) for fold in (0, 1)]
    except (ValueError, OverflowError, OSError):
        return None
    return min(both, key=lambda t: abs(t - now))


def _in_zone(local: datetime, zone: tzinfo | None) -> datetime:
    return local.astimezone() if zone is None else local.replace(tzinfo=zone)


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
