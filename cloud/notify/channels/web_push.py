"""Web Push to the installed page: encrypted for one browser (RFC 8291), signed by this deployment (RFC 8292).

The push service sees neither text nor link. It accepts a message for a browser that is off; nothing reports that a
person has read it, except the link.
"""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable
from typing import Final

import requests
from pywebpush import WebPushException, webpush

from cloud.notify.channels.port import Receipt, RenderedMessage, SendError
from cloud.push_services import served
from vitals.contact_standing import PushDevice, Standing
from vitals.contacts import Channel, Contact

logger = logging.getLogger("notify")
TIMEOUT_S: Final = 5.0
KEEP_S: Final = 3600
"""Time for which a push service keeps a message for a browser that is off."""
DEVICES: Final = 8
"""Devices of one contact; a further one replaces the oldest."""
GONE: Final = frozenset((404, 410))
_LINK: Final = re.compile(r"https?://\S+")


class WebPushChannel:
    """`ChannelAdapter` on Web Push.

    Args:
        key: Private key of the deployment, base64url.
        subject: `mailto:` or https address of the operator, for push services.
        services: Origins of the push services to which it sends.
        clock: Wall clock, UTC epoch ms.
    """

    def __init__(self, key: str, subject: str, services: tuple[str, ...], clock: Callable[[], int]) -> None:
        self._key, self._subject, self._services, self._clock = key, subject, services, clock
        self._devices: dict[str, dict[str, PushDevice]] = {}
        self._gone: list[PushDevice] = []
        self._lock = threading.Lock()

    @property
    def kinds(self) -> frozenset[Channel]:
        """See `ChannelAdapter.kinds`."""
        return frozenset((Channel.PUSH,))

    def add(self, device: PushDevice) -> None:
        """Adds a device of a contact, or renews it."""
        with self._lock:
            own = self._devices.setdefault(device.contact, {})
            own[device.key] = device
            if len(own) > DEVICES:
                del own[min(own, key=lambda key: own[key].since)]

    def remove(self, key: str) -> None:
        """Removes the device of a record's key."""
        with self._lock:
            for own in self._devices.values():
                own.pop(key, None)

    def gone(self) -> list[PushDevice]:
        """Removes and returns devices that their push service no longer knows."""
        with self._lock:
            gone, self._gone = self._gone, []
        return gone

    def check(self, contact: Contact) -> dict[Channel, Standing]:
        """See `ChannelAdapter.check`."""
        return {Channel.PUSH: Standing.READY if self._of(contact) else Standing.NO_DEVICE}

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `ChannelAdapter.send`: to every device; one that accepts is enough."""
        failed = [f"{contact.contact} has switched push on at no device"]
        accepted = ""
        for device in self._of(contact):
            try:
                accepted = self._push(device, texts)
            except SendError as error:
                failed.append(str(error))
        if accepted:
            return Receipt(accepted, (Channel.PUSH,))
        raise SendError("; ".join(failed[1:] or failed))

    def _of(self, contact: Contact) -> list[PushDevice]:
        with self._lock:
            own = self._devices.get(contact.contact, {})
            return [device for device in own.values() if self._clock() < device.until]

    def _push(self, device: PushDevice, texts: RenderedMessage) -> str:
        what = f"push to {device.contact}"
        if not served(device.endpoint, self._services):
            raise SendError(f"{what}: its push service is not among PUSH_SERVICES")
        link = _LINK.search(texts.sms)
        shown = {"title": texts.subject, "body": _LINK.sub("", texts.sms).strip(), "url": link[0] if link else "/"}
        try:
            with requests.Session() as session:
                # A push service that answers elsewhere is not one of the allowed ones.
                session.max_redirects = 0
                answer = webpush(
                    {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}},
                    json.dumps(shown),
                    vapid_private_key=self._key,
                    vapid_claims={"sub": self._subject},
                    ttl=KEEP_S,
                    timeout=TIMEOUT_S,
                    headers={"Urgency": "high"},
                    requests_session=session,
                )
        except WebPushException as error:
            status = error.response.status_code if error.response is not None else None
            if status in GONE:
                self._lose(device)
            raise SendError(f"{what}: status {status}" if status else f"{what}: {error.message}") from error
        except (requests.RequestException, ValueError, TypeError) as error:
            # `ValueError`: keys of the browser that are none.
            raise SendError(f"{what}: {type(error).__name__}") from error
        return str(getattr(answer, "headers", {}).get("Location") or uuid.uuid4().hex).rpartition("/")[2][:128]

    def _lose(self, device: PushDevice) -> None:
        self.remove(device.key)
        with self._lock:
            self._gone.append(device)
