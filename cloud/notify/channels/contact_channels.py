"""All channels of a contact as one: the ready ones carry the message, the others are skipped.

SNS carries every message of a contact with a phone or an e-mail address. Push and webhook carry it besides, and replace
it only if SNS fails at every attempt.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Final

from cloud.notify.channels.channel_checks import ChannelChecks
from cloud.notify.channels.port import ChannelAdapter, NoChannelError, Receipt, RenderedMessage, SendError
from cloud.notify.channels.sns import SnsChannel
from vitals.contact_standing import Standing, in_words
from vitals.contacts import Channel, Contact, own_channels

logger = logging.getLogger("notify")
BESIDES_AT_ONCE: Final = 16
WAIT_S: Final = 1.0
"""Time that a message which SNS has accepted waits for push and webhook, to have them on its record."""


class ContactChannels:
    """`MessageChannel` over every adapter. Called from several threads.

    Args:
        sns: The default channel.
        others: Further adapters.
        clock: Wall clock, UTC epoch ms.
        every_ms: Time between two checks of a contact.

    Attributes:
        checks: Standing of the contacts' channels.
    """

    def __init__(
        self, sns: SnsChannel, others: Iterable[ChannelAdapter], clock: Callable[[], int], every_ms: int
    ) -> None:
        self._sns, self._others = sns, tuple(others)
        self.checks = ChannelChecks(sns, self._others, clock, every_ms)
        self._besides = ThreadPoolExecutor(BESIDES_AT_ONCE, "besides")

    def close(self) -> None:
        """Ends checks and messages; those that have begun end with their time limits."""
        self.checks.close()
        self._besides.shutdown(cancel_futures=True)

    def prepare(self, contact: Contact) -> None:
        """See `MessageChannel.prepare`."""
        self.checks.prepare(contact)

    def release(self, contact: str) -> None:
        """See `MessageChannel.release`; devices for push get no message any more, as no rota names the contact."""
        self.checks.release(contact)
        self._sns.release(contact)

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `MessageChannel.send`.

        Raises:
            NoChannelError: No channel of the contact is ready.
        """
        texts = replace(texts, channels=self._by(contact, texts.channels))
        others = [adapter for adapter in self._others if adapter.kinds.intersection(texts.channels)]
        under_way = [self._besides.submit(adapter.send, contact, texts) for adapter in others]
        # Push and webhook never replace SNS silently: if it fails, the message is tried again.
        carried = [self._sns.send(contact, texts)] if self._sns.kinds.intersection(texts.channels) else []
        wait(under_way, WAIT_S if carried else None)
        failed: list[str] = []
        for future in under_way:
            try:
                if future.done():
                    carried.append(future.result())
            except SendError as error:
                failed.append(str(error))
                logger.warning("%s", error)
        if not carried:
            raise SendError("; ".join(failed))
        return Receipt(carried[0].id, tuple(channel for receipt in carried for channel in receipt.channels))

    def send_directly(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `MessageChannel.send_directly`: an SMS to the number itself, then push and webhook."""
        ready = self._by(contact, own_channels(contact))
        failed: list[str] = []
        if Channel.SMS in ready:
            try:
                return self._sns.send_directly(contact, texts)
            except SendError as error:
                failed.append(str(error))
        for adapter in self._others:
            if adapter.kinds.intersection(ready):
                try:
                    return adapter.send(contact, replace(texts, channels=ready))
                except SendError as error:
                    failed.append(str(error))
        raise SendError("; ".join(failed) or f"{contact.contact} has no other channel")

    def _by(self, contact: Contact, wanted: tuple[Channel, ...]) -> tuple[Channel, ...]:
        standing = self.checks.standing(contact)
        if standing is None:
            return wanted
        own = own_channels(contact)
        ready = [c for c in own if standing.channels.get(c, Standing.READY) is Standing.READY]
        by = tuple(channel for channel in wanted if channel in ready) or tuple(ready)
        if not by:
            raise NoChannelError(f"{contact.contact} has no channel: {in_words(standing.channels)}")
        return by
