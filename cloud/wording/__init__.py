"""Language and time zone of messages and links' pages: settings of the deployment."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.wording import english, german
from vitals.alarm_events import AlarmEvent
from vitals.signs import INDEX, SIGNS
from vitals.trend import PREFIX as TREND


class Language(StrEnum):
    """Language of messages and of links' pages."""

    EN = "en"
    DE = "de"


_TEXTS: Final = {Language.EN: english.TEXTS, Language.DE: german.TEXTS}
_UNITS: Final = {"Cel": "C", "mm[Hg]": "mmHg"}
"""UCUM units in the alphabet of an SMS, which has no degree sign."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Texts of one language, and times of one zone.

    Attributes:
        language: Language.
        zone: Time zone.
    """

    language: Language = Language.EN
    zone: tzinfo = UTC

    def __call__(self, key: str, **values: object) -> str:
        """Returns a text with its values."""
        return _TEXTS[self.language][key].format(**values)

    def clock(self, t: int) -> str:
        """Returns hour and minute of a time, UTC epoch ms."""
        return f"{datetime.fromtimestamp(t / 1000, self.zone):%H:%M}"

    def moment(self, t: int) -> str:
        """Returns date, time and zone of a time, UTC epoch ms."""
        return f"{datetime.fromtimestamp(t / 1000, self.zone):{self('date')} %H:%M:%S %Z}"

    def condition(self, condition: str) -> str:
        """Returns the name of a condition, such as "oxygen saturation"; an unknown one's own."""
        field = condition.removeprefix(TREND)
        key = f"sign.{field}" if field in INDEX else f"condition.{condition}"
        return _TEXTS[self.language].get(key, condition.replace("-", " "))

    def problem(self, problem: str) -> str:
        """Returns the name of a problem, such as "oxygen low"."""
        return _TEXTS[self.language].get(f"problem.{problem}", problem.replace("-", " "))

    def value(self, condition: str, value: float) -> str:
        """Returns a value with its unit, in letters of an SMS."""
        field = condition.removeprefix(TREND)
        if field not in INDEX:
            return f"{value:g}"
        return f"{value:.{SIGNS[INDEX[field]].decimals}f} {self.unit(field)}"

    def unit(self, field: str) -> str:
        """Returns the unit of a sign, in letters of an SMS."""
        unit = SIGNS[INDEX[field]].unit
        return _UNITS.get(unit, unit)

    def text(self, event: AlarmEvent) -> str:
        """Returns the description of an alarm; the engine's own text is English."""
        if self.language is Language.EN:
            return event.text
        value = "" if event.value is None else f" {self.value(event.condition, event.value)}"
        limit = "" if event.limit is None else f" ({self('limit')} {event.limit:g})"
        return f"{self.condition(event.condition)}{value}{limit}"


def wording(language: str, zone: str) -> Wording:
    """Returns the wording of two settings.

    Args:
        language: `MESSAGE_LANGUAGE`.
        zone: `MESSAGE_TIME_ZONE`, a name of the IANA time zone database.

    Raises:
        ValueError: One of them is unknown.
    """
    if language not in set(Language):
        raise ValueError(f"MESSAGE_LANGUAGE={language!r} is none of {', '.join(Language)}")
    try:
        return Wording(Language(language), UTC if zone == "UTC" else ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"MESSAGE_TIME_ZONE={zone!r} is no IANA time zone, such as Europe/Berlin") from error
