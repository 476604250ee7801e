"""Liveness of gateways, by the bridge's own clock. Pure."""

import msgspec

from vitals.bounds import MAX_DEVICES
from vitals.status import DeviceStatus, Health, Status


class GatewayLiveness:
    """Liveness of gateways, from the arrival times of their statuses.

    A gateway that announces its stop, or whose last will arrives, has the same timeout to return: a restart calls
    nobody.

    While the bridge itself receives nothing (no uplink, or Kafka's queue is full) it judges no gateway. It would report
    every gateway as silent although the fault is its own.

    Args:
        timeout_s: Time without a status after which a gateway is silent, s.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._heard: dict[str, float] = {}
        self._last: dict[str, Status] = {}
        self._gone: set[str] = set()
        self._listening_since: float | None = None

    def __len__(self) -> int:
        return len(self._heard)

    def gateways(self, most: int = MAX_DEVICES) -> tuple[DeviceStatus, ...]:
        """Returns the gateways of this bridge, as listed in its own status.

        If the bridge is down, these gateways are down with it, whatever other bridges there are. If a record cannot
        hold all, those that are not up come first; a gateway that is not listed gets an alarm of its own.
        """
        order = sorted(self._last.items(), key=lambda item: (item[1].health is Health.UP, item[0]))
        listed = sorted(order[:most], key=lambda item: item[0])
        return tuple(DeviceStatus(device=gateway, health=last.health, t=last.t) for gateway, last in listed)

    def expect(self, gateway: str, at: float) -> None:
        """Notes a gateway that is expected, because a patient is admitted to it."""
        self._heard.setdefault(gateway, at)

    def heard(self, status: Status, at: float, t: int) -> Status | None:
        """Notes a status of a gateway at monotonic time `at`; returns the status to report, None if there is none yet.

        It is dated with its arrival time `t`, UTC epoch ms by the bridge's clock, so that reports on gateways use one
        clock. A last will was written when the gateway connected; it became true now.
        """
        self._heard[status.id] = at
        last = self._last.get(status.id)
        if status.health is Health.UP:
            self._gone.discard(status.id)
        elif last is None or last.health is Health.UP:
            self._gone.add(status.id)
            return None
        told = self._last[status.id] = msgspec.structs.replace(status, t=t)
        return told

    def forget(self, gateway: str) -> None:
        """Removes a gateway."""
        self._heard.pop(gateway, None)
        self._last.pop(gateway, None)
        self._gone.discard(gateway)

    def listening(self, listens: bool, at: float) -> None:
        """Notes whether the bridge receives messages of gateways."""
        if not listens:
            self._listening_since = None
        elif self._listening_since is None:
            self._listening_since = at

    def silent(self, at: float, t: int) -> list[Status]:
        """Returns the statuses of gateways that became silent or offline since the last call."""
        if self._listening_since is None:
            return []
        found = []
        for gateway, heard in self._heard.items():
            last = self._last.get(gateway)
            if at - max(heard, self._listening_since) < self._timeout_s or (last and last.health is not Health.UP):
                continue
            health = Health.OFFLINE if gateway in self._gone else Health.SILENT
            last = last or Status(id=gateway, kind="gateway", health=health, t=t)
            silent = self._last[gateway] = msgspec.structs.replace(last, health=health, t=t)
            found.append(silent)
        return found
