"""Sensors that a monitor reports off by lead-off and device alarms, for a limited time."""

import re
from typing import Final

LASTS_MS: Final = 300_000
"""Time after which an alarm that was never ended nor repeated counts no more: it must not explain a later loss."""
_OFF: Final = re.compile(
    r"\b(off|disconn(ect(ed)?)?|detached|unplugged|missing|no (sensor|probe|cable|lead|finger)s?"
    r"|not connected|(finger|sensor|probe|leads?) out)\b"
)
_SENSORS: Final = (
    (re.compile(r"\b(spo2|oxim|oximeter|pleth|sat o2|finger)\b"), ("pr", "spo2")),
    # Breaths are measured by the same electrodes.
    (re.compile(r"\b(ecg|leads?|electrodes?|heart)\b"), ("hr", "rr")),
    (re.compile(r"\b(resp|respiration|tthor|imped|impedance)\b"), ("rr",)),
    (re.compile(r"\b(temp|temperature)\b"), ("temp",)),
    (re.compile(r"\b(nibp|cuff|abp|art|ibp|press)\b"), ("sbp", "dbp", "map")),
)


def off(words: str) -> frozenset[str]:
    """Returns the fields of the sensor that a text or reference id reports off, or none."""
    plain = re.sub(r"[^a-z0-9]+", " ", words.lower())
    if _OFF.search(plain) is None:
        return frozenset()
    return next((frozenset(fields) for sensor, fields in _SENSORS if sensor.search(plain)), frozenset())


class SensorsOff:
    """Sensors that are off, by device, from alarms that are messages of their own."""

    def __init__(self) -> None:
        self._until: dict[str, dict[str, int]] = {}

    def begin(self, device: str, fields: frozenset[str], now: int) -> None:
        """Records an alarm that started or continues."""
        self._until.setdefault(device, {}).update(dict.fromkeys(fields, now + LASTS_MS))

    def end(self, device: str, fields: frozenset[str]) -> None:
        """Records the end of an alarm, or values of the sensor."""
        for field in fields & self._until.get(device, {}).keys():
            del self._until[device][field]

    def of(self, device: str, now: int) -> frozenset[str]:
        """Returns the fields of sensors that are off."""
        return frozenset(field for field, until in self._until.get(device, {}).items() if until > now)
