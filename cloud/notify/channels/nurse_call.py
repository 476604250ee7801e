"""Nurse call by HL7: ORU^R40 of IHE ACM (PCD-04) over MLLP, to a webhook name with the address `mllps://…`.

The message has what a phone's text has: the ward's setting decides its content. A system that answers AA has accepted
it; AE, AR, silence and a closed connection are failures, and the first two are not tried again.
"""

import hashlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cloud.notify.channels.port import ChannelAdapter, Receipt, RenderedMessage, SendError
from vitals.contact_standing import Standing
from vitals.contacts import Channel, Contact
from vitals.hl7.header import Header, escaped
from vitals.hl7.mllp import MllpError, Unframer, frame

logger = logging.getLogger("notify")
TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.5, 2.0)
"""Pauses before the second and the third attempt."""
FLAGS: Final = {"high": "PH", "medium": "PM", "low": "PL"}
"""OBX-8: alarm priority, IHE PCD table 0078."""
PROFILE: Final = "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO"
PORT: Final = 2575


class NurseCallChannel:
    """`ChannelAdapter` on MLLP, and on webhooks for all other names.

    Args:
        urls: Address of each system, by name: `mllps://host:port`, or `mllp://` on this machine.
        clock: Wall clock, UTC epoch ms.
        webhooks: Adapter of the other names; None if there are none.
        pauses_s: Pauses before further attempts, s.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        clock: Callable[[], int],
        webhooks: ChannelAdapter | None = None,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._urls, self._clock, self._webhooks, self._pauses_s = dict(urls), clock, webhooks, pauses_s
        self._tls = ssl.create_default_context()
        self._never = threading.Event()

    @property
    def kinds(self) -> frozenset[Channel]:
        """See `ChannelAdapter.kinds`."""
        return frozenset((Channel.WEBHOOK,))

    def check(self, contact: Contact) -> Mapping[Channel, Standing]:
        """See `ChannelAdapter.check`: a system is ready if the deployment has it."""
        if contact.webhook not in self._urls and self._webhooks is not None:
            return self._webhooks.check(contact)
        return {Channel.WEBHOOK: Standing.READY if contact.webhook in self._urls else Standing.REFUSED}

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        """See `ChannelAdapter.send`."""
        url = self._urls.get(contact.webhook or "")
        if url is None and self._webhooks is not None:
            return self._webhooks.send(contact, texts)
        what = f"nurse call {contact.webhook} of {contact.contact}"
        if url is None:
            raise SendError(f"{what}: NOTIFY_WEBHOOKS has no system of this name")
        about = json.loads(texts.outbox)
        named = [about.get(name) for name in ("contact", "alarm", "n", "handover")]
        # The same control id at each attempt: the receiver recognises a repeat.
        control = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:20]
        sent = frame(alarm_message(about, texts.sms, control, self._clock()))
        problem = ""
        for pause in (*self._pauses_s, None):
            problem, again = self._exchange(url, sent, control)
            if not problem:
                return Receipt(control, (Channel.WEBHOOK,))
            if not again or pause is None:
                break
            self._never.wait(pause)
        raise SendError(f"{what}: {problem}")

    def _exchange(self, url: str, sent: bytes, control: str) -> tuple[str, bool]:
        """Sends once; returns the problem, empty if it was accepted, and whether another attempt may succeed."""
        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname or "", parts.port or PORT), TIMEOUT_S) as plain:
                if parts.scheme != "mllps":
                    return _asked(plain, sent, control)
                with self._tls.wrap_socket(plain, server_hostname=parts.hostname) as secure:
                    return _asked(secure, sent, control)
        except (OSError, MllpError) as error:
            return type(error).__name__, True


def _asked(connection: socket.socket, sent: bytes, control: str) -> tuple[str, bool]:
    connection.settimeout(TIMEOUT_S)
    connection.sendall(sent)
    unframer = Unframer(1 << 16)
    while received := connection.recv(1 << 14):
        for answer in unframer.feed(received):
            msa = next((line.split(b"|") for line in answer.split(b"\r") if line.startswith(b"MSA|")), [])
            code = msa[1] if len(msa) > 2 and msa[2] == control.encode() else b""  # noqa: PLR2004 - code and control id
            if code in {b"AA", b"CA"}:
                return "", False
            if code:
                return f"answer {code[:2].decode(errors='replace')}", False
    return "no answer", True


def alarm_message(about: Mapping[str, Any], text: str, control: str, now: int) -> bytes:
    """Returns the ORU^R40 of a message.

    Args:
        about: Contact, alarm, event number, priority, kind, phase, ward and bed, as far as the message has them.
        text: Text of the message, as on a phone.
        control: Message control id.
        now: UTC epoch ms.
    """
    header = Header()

    def plain(value: object) -> str:
        return escaped(str(value or ""), header)

    stamp = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d%H%M%S}+0000"
    kind = "ST" if about.get("kind") == "technical" else "SP"
    flags = f"{FLAGS.get(str(about.get('priority')), 'PN')}~{kind}"
    facets = (
        ("196616^MDC_EVT_ALARM^MDC", "ST", text),
        ("68481^MDC_ATTR_EVENT_PHASE^MDC", "ST", about.get("phase") or "start"),
        ("68482^MDC_ATTR_ALARM_STATE^MDC", "ST", "active"),
        ("68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC", "ST", "enabled"),
    )
    lines = [
        f"MSH|^~\\&|WARDWATCH||||{stamp}||ORU^R40^ORU_R40|{control}|P|2.6|||AL|NE||UNICODE UTF-8|||{PROFILE}",
        f"PV1|1|U|{plain(about.get('ward'))}^^{plain(about.get('bed'))}",
        f"OBR|1|{control}^WARDWATCH|{plain(about.get('alarm'))}^WARDWATCH|196616^MDC_EVT_ALARM^MDC|||{stamp}",
    ]
    for number, (code, form, value) in enumerate(facets, 1):
        priority = flags if number == 1 else ""
        lines.append(f"OBX|{number}|{form}|{code}|1.0.0.0.{number}|{plain(value)}|||{priority}|||F|||{stamp}")
    return ("\r".join(lines) + "\r").encode()
