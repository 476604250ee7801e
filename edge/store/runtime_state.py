"""State for a restart while the card cannot be written: in a file in memory, which ends with the machine's boot.

A gateway that is killed then restarts with the roster, alarms and devices of the earlier run. The first run after the
card is back does so too.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from edge.clock.boot_clock import BOOT, known_boot
from edge.store.outbox import POSITION, Outbox

log = logging.getLogger(__name__)
NAME: Final = "state"


class RuntimeState:
    """Stored values, by the outbox's keys.

    Args:
        runtime: The service's runtime directory; without one nothing is stored.
    """

    def __init__(self, runtime: Path | None) -> None:
        self._path = None if runtime is None else runtime / NAME

    def keep(self, values: Mapping[str, bytes]) -> None:
        """Stores all values, or none."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.msgpack.encode(dict(values)))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("state for a restart cannot be stored in memory either: %s", error)

    def drop(self) -> None:
        """Deletes the values, as the card has them."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def values(self) -> dict[str, bytes]:
        """Returns the values; none if they are unreadable."""
        if self._path is None:
            return {}
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=dict[str, bytes])
        except (OSError, msgspec.DecodeError):
            return {}


def take_up(values: Mapping[str, bytes], outbox: Outbox) -> None:
    """Writes the values to the outbox; the engine's state in them includes every reading of the journal.

    Raises:
        sqlite3.OperationalError: The outbox still cannot be written.
    """
    if not values:
        return
    waits = known_boot(outbox.load(BOOT))
    with outbox.transaction():
        for key, value in values.items():
            outbox.save(key, value)
        if waits is not None and waits.unset and (boot := known_boot(values.get(BOOT))) is not None:
            # Rows with unknown times stay unsealed.
            outbox.save(BOOT, msgspec.json.encode(msgspec.structs.replace(boot, unset=waits.unset)))
        outbox.save(POSITION, str(outbox.row).encode())
