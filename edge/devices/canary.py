"""The canary: a device of the gateway's own that proves, each minute, that an alarm reaches SNS.

It speaks to the gateway's broker like any other device, so that its readings take every step that a patient's take.
`python -m cloud canary` admits it; until then its readings are nobody's, and archived as such.
"""

import json
import logging
import secrets
import threading
from typing import Final
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vitals.runtime.daemon import now_ms
from vitals.wire import topics

log = logging.getLogger(__name__)
CALM, ALARMING = 37.9, 38.1
"""On both sides of its limit of 38, and no step that the filter would doubt."""
WAITING: Final = 4
"""Readings that wait while the broker is away; a canary is worth nothing later."""


def frame(boot: int, seq: int, t: int) -> bytes:
    """Returns reading `seq`, of time `t` in UTC epoch ms: every second one is beyond its limit."""
    return json.dumps({"boot": boot, "seq": seq, "t": t, "temp": ALARMING if seq % 2 else CALM}).encode()


class Canary:
    """Publishes a reading twice in each period, in a thread of its own.

    Args:
        url: The gateway's broker, mqtt://host:port.
        gateway: Gateway id.
        every_s: Period, s: one alarm begins and ends in it.
        user: User name, if the broker asks for one.
        password: Its password.
    """

    def __init__(self, url: str, gateway: str, every_s: float, user: str | None, password: str | None) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "localhost", parts.port or 1883
        self._topic, self._half_s = topics.device_vitals(topics.canary(gateway)), every_s / 2
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=topics.canary(gateway), protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(user, password)
        self._client.max_queued_messages_set(WAITING)
        self._client.reconnect_delay_set(1, 30)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)

    def start(self) -> None:
        """Connects, and again whenever the broker is gone."""
        self._client.connect_async(*self._address)
        self._client.loop_start()
        self._thread.start()
        log.info("the canary sings", extra={"data": {"topic": self._topic, "every_s": 2 * self._half_s}})

    def stop(self) -> None:
        """Falls silent."""
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        boot, seq = secrets.randbits(32), 0
        while not self._stop.wait(self._half_s):
            self._client.publish(self._topic, frame(boot, seq, now_ms()), qos=1)
            seq += 1
