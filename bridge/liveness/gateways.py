"""Which gateways are up, judged from the bridge's own clock. Pure."""

import msgspec

from vitals.bounds import MAX_DEVICES
from vitals.status import DeviceStatus, Health, Status


class GatewayLiveness:
    """Judges gateways by when their last status arrived.

    One that says goodbye, or whose last will comes, has the same time to be back: a restart is nothing to run for.

    While the bridge itself hears nothing (no uplink, or it takes nothing because the log is away) it judges nobody: it
    would call every gateway silent for its own deafness.

    Args:
        timeout_s: A gateway without a status for so long is silent, s.
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
        """Returns the gateways that this bridge speaks for, as its own status lists them.

        When the bridge is down, these are the gateways that are down with it, whatever other bridges there are. Of
        more than a record holds, those that are not up come first; one that is not listed is told for itself.
        """
        order = sorted(self._last.items(), key=lambda item: (item[1].health is Health.UP, item[0]))
        listed = sorted(order[:most], key=lambda item: item[0])
        return tuple(DeviceStatus(device=gateway, health=last.health, t=last.t) for gateway, last in listed)

    def expect(self, gateway: str, at: float) -> None:
        """Notes a gateway that ought to be there, as a patient is admitted to it."""
        self._heard.setdefault(gateway, at)

    def heard(self, status: Status, at: float, t: int) -> Status | None:
        """Notes a status of a gateway at monotonic time `at`; returns it as it is to be told, None when it is not yet.

        It is told with the time at which it came, `t`, UTC epoch ms by the bridge's clock: so all that is told of
        gateways has one clock. A last will was written when the gateway connected; it became true now.
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
        """Forgets a gateway that is gone for good."""
        self._heard.pop(gateway, None)
        self._last.pop(gateway, None)
        self._gone.discard(gateway)

    def listening(self, listens: bool, at: float) -> None:
        """Notes whether the bridge hears its gateways."""
        if not listens:
            self._listening_since = None
        elif self._listening_since is None:
            self._listening_since = at

    def silent(self, at: float, t: int) -> list[Status]:
        """Returns the statuses of gateways whose time is over since the last call: they are silent, or offline."""
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
