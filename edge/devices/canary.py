"""The canary: a device of the gateway itself, which proves each minute that an alarm reaches SNS.

It publishes to the gateway's broker as other devices do, so that its readings pass every step of a patient's readings.
`python -m cloud canary` admits it; until then its readings are unassigned and archived as such.
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
"""Values on both sides of its limit of 38; the difference is too small for the filter to doubt."""
IN_PERIOD, CALM_IN_PERIOD = 4, 2
"""Readings of one period, and how many of them are calm: a second reading confirms a breach."""
WAITING: Final = 4
"""Readings queued while the broker is away; a late canary is useless."""


def frame(boot: int, seq: int, t: int) -> bytes:
    """Returns the payload of reading `seq` at time `t`, UTC epoch ms: two calm readings, then two beyond the limit."""
    return json.dumps(
        {"boot": boot, "seq": seq, "t": t, "temp": ALARMING if seq % IN_PERIOD >= CALM_IN_PERIOD else CALM}
    ).encode()


class Canary:
    """Publishes four readings in each period, from a thread of its own.

    Args:
        url: The gateway's broker, mqtt://host:port.
        gateway: Gateway id.
        every_s: Period, s: one alarm begins and ends in it.
        user: User name, if the broker requires one.
        password: Password of the user.
    """

    def __init__(self, url: str, gateway: str, every_s: float, user: str | None, password: str | None) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "localhost", parts.port or 1883
        self._topic, self._pause_s = topics.device_vitals(topics.canary(gateway)), every_s / IN_PERIOD
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=topics.canary(gateway), protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(user, password)
        self._client.max_queued_messages_set(WAITING)
        self._client.reconnect_delay_set(1, 30)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)

    def start(self) -> None:
        """Connects, and reconnects whenever the broker was gone."""
        self._client.connect_async(*self._address)
        self._client.loop_start()
        self._thread.start()
        log.info("canary started", extra={"data": {"topic": self._topic, "every_s": IN_PERIOD * self._pause_s}})

    def stop(self) -> None:
        """Stops publishing and disconnects."""
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        boot, seq = secrets.randbits(32), 0
        while not self._stop.wait(self._pause_s):
            self._client.publish(self._topic, frame(boot, seq, now_ms()), qos=1)
            seq += 1
