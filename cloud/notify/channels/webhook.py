"""Webhook: a signed POST to another system: a voice call, a pager's gateway, Teams, an on-call service.

The deployment names its webhooks, and a contact has one of these names: a ward's rota can neither add an address nor
read a secret. `docs/notifications.md` has the form of the request, and a receiver's check.
"""

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

import httpx2

from cloud.notify.channels.port import Receipt, RenderedMessage, SendError
from vitals.contact_standing import Standing
from vitals.contacts import Channel, Contact

logger = logging.getLogger("notify")
TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.5, 2.0)
"""Pauses before the second and the third attempt."""
AGAIN: Final = frozenset((408, 425, 429))
"""Statuses below 500 after which another attempt may succeed."""


def signature(key: str, t: int, body: bytes) -> str:
    """Returns the signature of a request: HMAC-SHA256 of time, a dot and body, hexadecimal.

    Args:
        key: NOTIFY_WEBHOOK_KEY.
        t: Time of the attempt, UTC epoch ms.
        body: Body of the request.
    """
    return hmac.new(key.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()


class WebhookChannel:
    """`ChannelAdapter` on webhooks.

    Args:
        urls: Address of each webhook, by name.
        key: Secret of 32 characters or more.
        clock: Wall clock, UTC epoch ms.
        pauses_s: Pauses before further attempts, s.
    """

    def __init__(
        self, urls: Mapping[str, str], key: str, clock: Callable[[], int], pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        self._urls, self._key, self._clock, self._pauses_s = dict(urls), key, clock, pauses_s
        self._http = httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._never = threading.Event()

    @property
    def kinds(self) -> frozenset[Channel]:
        """See `ChannelAdapter.kinds`."""
        return frozenset((Channel.WEBHOOK,))

    def check(self, contact: Contact) -> dict[Channel, Standing]:
        """See `ChannelAdapter.check`: a webhook is ready if the deployment has it."""
        return {Channel.WEBHOOK: Standing.READY if contact.webhook in self._urls else Standing.REFUSED}

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `ChannelAdapter.send`."""
        url = self._urls.get(contact.webhook or "")
        what = f"webhook {contact.webhook} of {contact.contact}"
        if url is None:
            raise SendError(f"{what}: NOTIFY_WEBHOOKS has no webhook of this name")
        about = json.loads(texts.outbox)
        # Patients' data are in the e-mail only: another system gets no more than a phone.
        about.pop("email", None)
        named = [about.get(name) for name in ("contact", "alarm", "n", "handover")]
        message = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]
        body = json.dumps(about | {"id": message, "subject": texts.subject, "text": texts.sms}).encode()
        for pause in (*self._pauses_s, None):
            problem, again = self._post(url, message, body)
            if not problem:
                return Receipt(message, (Channel.WEBHOOK,))
            if not again or pause is None:
                break
            self._never.wait(pause)
        raise SendError(f"{what}: {problem}")

    def _post(self, url: str, message: str, body: bytes) -> tuple[str, bool]:
        """Posts once; returns the problem, empty if it was accepted, and whether another attempt may succeed."""
        t = self._clock()
        headers = {
            "Content-Type": "application/json",
            "Wardwatch-Id": message,
            "Wardwatch-Time": str(t),
            "Wardwatch-Signature": signature(self._key, t, body),
        }
        try:
            answer = self._http.post(url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            return type(error).__name__, True
        except (httpx2.InvalidURL, ValueError) as error:
            return type(error).__name__, False
        return (
            ("", False)
            if answer.is_success
            else (f"status {answer.status_code}", answer.status_code >= 500 or answer.status_code in AGAIN)  # noqa: PLR2004 - HTTP's own
        )
