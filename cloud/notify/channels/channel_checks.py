"""Checks of contacts' channels: when a rota is loaded and every few minutes, never in the way of a message."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.channels.port import ChannelAdapter, SendError
from cloud.notify.channels.sns import SnsChannel
from vitals.contact_standing import ContactStanding, Standing, addresses
from vitals.contacts import CANARY, Channel, Contact, own_channels

logger = logging.getLogger("notify")
CHECKS_AT_ONCE: Final = 4
"""Fewer than SNS's rate of lists, and apart from the threads that send: checks never delay a page."""
IDLE: Final = 20
"""Intervals between two checks of a contact off duty."""
ASK_EVERY_MS: Final = 3_600_000
"""Minimum time between two requests to one person to confirm an address."""


@dataclass(frozen=True, slots=True)
class Change:
    """A standing that has changed.

    Attributes:
        standing: The new standing.
        ready: Begin of the last check that found each channel ready, UTC epoch ms. Later messages may be lost.
    """

    standing: ContactStanding
    ready: Mapping[Channel, int]

    def lost(self, channels: Iterable[Channel], accepted: int) -> bool:
        """Returns whether a message by these channels, accepted at a time, had no ready channel for certain."""
        now = self.standing.channels
        return not any(
            now.get(channel) is Standing.READY or accepted < self.ready.get(channel, 0) for channel in channels
        )


@dataclass(slots=True)
class _Known:
    contact: Contact
    standing: ContactStanding | None = None
    last: int = 0
    ready: dict[Channel, int] = field(default_factory=dict)
    checking: bool = False


class ChannelChecks:
    """Standing of each known contact. Called from several threads.

    Args:
        sns: The default channel.
        others: Further adapters.
        clock: Wall clock, UTC epoch ms.
        every_ms: Time between two checks of a contact.
    """

    def __init__(
        self, sns: SnsChannel, others: Iterable[ChannelAdapter], clock: Callable[[], int], every_ms: int
    ) -> None:
        self._sns, self._others = sns, tuple(others)
        self._clock, self._every_ms = clock, every_ms
        self._known: dict[str, _Known] = {}
        self._earlier: dict[str, ContactStanding] = {}
        self._changed: list[Change] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(CHECKS_AT_ONCE, "check")

    def close(self) -> None:
        """Ends the checks; those that have begun end with their time limits."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def at_rest(self) -> bool:
        """Returns whether no check is under way."""
        return not any(known.checking for known in list(self._known.values()))

    def restore(self, standing: ContactStanding) -> None:
        """Restores the standing that an earlier run, or this one, has recorded."""
        with self._lock:
            self._earlier[standing.contact] = standing
            known = self._known.get(standing.contact)
            if known is not None and known.standing is None and standing.of == addresses(known.contact):
                known.standing = standing

    def prepare(self, contact: Contact) -> None:
        """Has a contact checked at once, and from then on."""
        if contact.contact == CANARY:
            return
        with self._lock:
            known = self._known.get(contact.contact)
            if known is None or addresses(known.contact) != addresses(contact):
                earlier = self._earlier.get(contact.contact)
                valid = earlier is not None and earlier.of == addresses(contact)
                known = self._known[contact.contact] = _Known(contact, earlier if valid else None)
            known.contact, known.last = contact, 0
        self._begin(known)

    def release(self, contact: str) -> None:
        """Removes a former contact."""
        with self._lock:
            self._known.pop(contact, None)
            self._earlier.pop(contact, None)

    def again(self, contact: str) -> None:
        """Has a contact checked again at once."""
        with self._lock:
            if contact in self._known:
                self._known[contact].last = 0

    def check(self, now: int, present: Mapping[str, Contact]) -> None:
        """Begins the checks that are due; returns at once.

        Args:
            now: UTC epoch ms.
            present: Contacts on duty, by contact id; the others are checked rarely.
        """
        for contact in present.values():
            if contact.contact not in self._known:
                self.prepare(contact)
        for known in list(self._known.values()):
            duty = present.get(known.contact.contact)
            if duty is not None and addresses(duty) == addresses(known.contact):
                known.contact = duty
            if now - known.last >= self._every_ms * (IDLE if duty is None else 1):
                self._begin(known)

    def _begin(self, known: _Known) -> None:
        with self._lock:
            if known.checking:
                return
            known.checking, known.last = True, self._clock()
        self._pool.submit(self._check, known)

    def standing(self, contact: Contact) -> ContactStanding | None:
        """Returns the standing of a contact's channels; None before the first check at these addresses."""
        known = self._known.get(contact.contact)
        standing = known.standing if known else None
        return standing if standing is not None and standing.of == addresses(contact) else None

    def changes(self) -> list[Change]:
        """Removes and returns the standings that have changed."""
        with self._lock:
            changed, self._changed = self._changed, []
        return changed

    def found(self, contact: str, channel: Channel, standing: Standing) -> None:
        """Sets a standing that a service reports between two checks, such as an opt-out in a delivery log."""
        with self._lock:
            known = self._known.get(contact)
            if known is not None and known.standing is not None and channel in known.standing.channels:
                self._set(known, {**known.standing.channels, channel: standing}, known.standing.asked)

    def _check(self, known: _Known) -> None:
        contact, before = known.contact, known.standing
        now = self._clock()
        asks = before is not None and self._asks(contact, before, now)
        try:
            found = _told(before, self._found(contact, ask=asks))
            with self._lock:
                self._set(known, found, now if asks else before.asked if before else 0)
                known.ready |= {channel: now for channel, one in found.items() if one is Standing.READY}
        except SendError as error:
            logger.info("channels of %s could not be checked: %s", contact.contact, error)
        except Exception:
            logger.exception("check of the channels of %s failed", contact.contact)
            raise
        finally:
            known.checking = False

    def _found(self, contact: Contact, *, ask: bool) -> dict[Channel, Standing]:
        own = own_channels(contact)
        # Refused: a channel that this deployment has not configured.
        found = dict.fromkeys(own, Standing.REFUSED)
        if self._sns.kinds.intersection(own):
            found.update(self._sns.check(contact, ask=ask))
        for adapter in self._others:
            if adapter.kinds.intersection(own):
                found.update(adapter.check(contact))
        return found

    def _asks(self, contact: Contact, before: ContactStanding, now: int) -> bool:
        """Returns whether a new confirmation is requested: once per duty, at its begin or the first check."""
        bad = before.channels.get(Channel.EMAIL, Standing.READY) is not Standing.READY
        on_duty = contact.start <= now < contact.end
        return bad and on_duty and before.asked < contact.start and now - before.asked >= ASK_EVERY_MS

    def _set(self, known: _Known, channels: dict[Channel, Standing], asked: int) -> None:
        contact, before = known.contact.contact, known.standing
        if self._known.get(contact) is not known:
            # The addresses have changed during the check.
            return
        known.standing = ContactStanding(
            contact=contact, of=addresses(known.contact), channels=channels, t=self._clock(), asked=asked
        )
        if before is None or (before.channels, before.asked) != (channels, asked):
            self._changed.append(Change(known.standing, dict(known.ready)))
        if Standing.GONE in channels.values() and (before is None or Standing.GONE not in before.channels.values()):
            # It has been subscribed again: the next check tells whether that holds.
            known.last = 0


def _told(before: ContactStanding | None, found: Mapping[Channel, Standing]) -> dict[Channel, Standing]:
    """Returns the standings, *pending* as *deactivated* where the address had been confirmed."""
    was = before.channels if before else {}
    confirmed = {Standing.READY, Standing.DEACTIVATED}
    return {
        channel: Standing.DEACTIVATED if now is Standing.PENDING and was.get(channel) in confirmed else now
        for channel, now in found.items()
    }
