"""What the lake keeps of statuses and refusals: what is told of machines, not of patients."""

from typing import Any, Final

import msgspec

from vitals.status import Health, Rejected, Status

MINUTE_MS: Final = 60_000
_status: Final = msgspec.json.Decoder(Status).decode
_refused: Final = msgspec.json.Decoder(Rejected).decode


def status(value: bytes) -> dict[str, Any]:
    """Returns a status as one row: its devices are counted, and the one with the worst clock is named.

    A gateway says so every three seconds, a line for each device; which patient a device is on is in the readings.

    Raises:
        msgspec.DecodeError: The bytes are none.
    """
    told = _status(value)
    worst = max(told.devices, key=lambda device: abs(device.offset_ms), default=None)
    unheard = [device.device for device in told.devices if device.health is not Health.UP]
    return {name: getattr(told, name) for name in told.__struct_fields__} | {
        "devices": len(told.devices),
        "unheard": unheard or None,
        "offset_device": worst.device if worst and worst.offset_ms else None,
        "offset_ms": worst.offset_ms if worst and worst.offset_ms else None,
        "alarms": len(told.alarms),
        "slots": told.slots or None,
    }


def refused(value: bytes) -> dict[str, Any]:
    """Returns a refusal as one row; its bytes, in which anything may stand, stay in the log alone.

    Raises:
        msgspec.DecodeError: The bytes are none.
    """
    told = _refused(value)
    return msgspec.structs.asdict(told) | {"payload_bytes": len(told.payload)}


class StatusSampler:
    """Of a batch of statuses those worth a row: the first of each minute and id, and each change of health."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Health]] = {}

    def keeps(self, row: dict[str, Any], log_t: int) -> bool:
        """Whether a status, in order of the log, is kept; `log_t` is UTC epoch ms."""
        told = (log_t // MINUTE_MS, row["health"])
        news = self._kept.get(row["id"]) != told
        self._kept[row["id"]] = told
        return news
