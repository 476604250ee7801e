"""What a restart needs while the card takes nothing: beside the card, in memory, gone with the machine's boot.

A gateway that is killed then goes on with the roster, the alarms and the devices that it knew, and so does the one that
follows when the card is back.
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
    """Values by the outbox's keys.

    Args:
        runtime: The service's runtime directory; without one nothing is kept.
    """

    def __init__(self, runtime: Path | None) -> None:
        self._path = None if runtime is None else runtime / NAME

    def keep(self, values: Mapping[str, bytes]) -> None:
        """Keeps all of them, or none."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.msgpack.encode(dict(values)))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("what a restart needs cannot be kept in memory either: %s", error)

    def drop(self) -> None:
        """The card has them."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def values(self) -> dict[str, bytes]:
        """Returns what is kept; nothing when it cannot be read."""
        if self._path is None:
            return {}
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=dict[str, bytes])
        except (OSError, msgspec.DecodeError):
            return {}


def take_up(values: Mapping[str, bytes], outbox: Outbox) -> None:
    """Gives the card what it could not take; the engine has seen every reading that it holds.

    Raises:
        sqlite3.OperationalError: It cannot take it now either.
    """
    if not values:
        return
    waits = known_boot(outbox.load(BOOT))
    with outbox.transaction():
        for key, value in values.items():
            outbox.save(key, value)
        if waits is not None and waits.unset and (boot := known_boot(values.get(BOOT))) is not None:
            # Rows that wait for their times wait on.
            outbox.save(BOOT, msgspec.json.encode(msgspec.structs.replace(boot, unset=waits.unset)))
        outbox.save(POSITION, str(outbox.row).encode())
