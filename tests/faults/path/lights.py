"""Somebody at every bed of the real gateways: what its light shows, as it changes, recorded by another clock."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.truth.beds import Light, Shown

TOPIC: Final = "beds/+/alarm"
AGAIN_S: Final = 1
"""A light whose broker has died looks for it so often."""


class Recorder:
    """Listens to the lights of each gateway at its own broker, from the beginning to the end of a block.

    Args:
        brokers: Address of each gateway's broker, by gateway.
        file: JSON lines `{t, gateway, bed, priority, alarms, text}`, as they come.
        now: UTC epoch ms.
    """

    def __init__(self, brokers: Mapping[str, str], file: Path, now: Callable[[], int]) -> None:
        self._brokers, self._path, self._now = brokers, file, now
        self._parts = ExitStack()
        self._lock = threading.Lock()
        self.lights: list[Light] = []
        """Sightings in order; appended to by the clients' threads."""

    def __enter__(self) -> Self:
        self._file = self._parts.enter_context(self._path.open("w", encoding="utf-8"))
        for gateway, url in self._brokers.items():
            client = Client(CallbackAPIVersion.VERSION2, f"lights-{gateway}", protocol=MQTTProtocolVersion.MQTTv5)
            client.on_connect = lambda c, *_: c.subscribe(TOPIC, qos=1)
            client.on_message = lambda _c, _d, message, gateway=gateway: self.take(gateway, message)
            client.reconnect_delay_set(AGAIN_S, AGAIN_S)
            client.connect_async(urlsplit(url).hostname or "", urlsplit(url).port or 0)
            client.loop_start()
            self._parts.callback(client.loop_stop)
            self._parts.callback(client.disconnect)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def take(self, gateway: str, message: MQTTMessage) -> None:
        """Takes in what a light was told."""
        with self._lock:
            found = light(gateway, message.topic, message.payload, self._now())
            self.lights.append(found)
            self._file.write(json.dumps(line(found)) + "\n")
            self._file.flush()


def light(gateway: str, topic: str, payload: bytes, now: int) -> Light:
    """Reads what a light is told; no payload, or none that can be read, shows nothing."""
    bed = topic.split("/")[1]
    try:
        told = json.loads(payload) if payload else {}
        alarms = tuple(_shown(alarm) for alarm in told.get("alarms", ()))
    except (ValueError, KeyError, AttributeError):
        return Light(now, gateway, bed)
    return Light(now, gateway, bed, alarms, told.get("bed"))


def _shown(alarm: Mapping[str, Any]) -> Shown:
    # An alarm's id begins with what it is about: `subject.condition.start`.
    subject = str(alarm["id"]).rsplit(".", 2)[0]
    return Shown(alarm["id"], subject, alarm["condition"], alarm["priority"], alarm["state"], alarm.get("text", ""))


def line(told: Light) -> dict[str, Any]:
    """Returns a line of the record."""
    alarms = [
        {"id": a.id, "patient": a.subject, "condition": a.condition, "priority": a.priority, "state": a.state}
        for a in told.alarms
    ]
    priority = told.alarms[0].priority if told.alarms else None
    text = "; ".join(a.text for a in told.alarms)
    return {
        "t": told.t,
        "gateway": told.gateway,
        "bed": told.bed,
        "priority": priority,
        "alarms": alarms,
        "text": text,
    }
