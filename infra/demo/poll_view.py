"""Gathers what the screen shows, from Kafka, the stores and the outbox."""

import logging
import time
from typing import Final

import psycopg

from infra.demo.environment import Running, ledger
from infra.demo.reconciliation import Sent
from infra.demo.screen import View
from infra.demo.stores import Lake, Warehouse

log: Final = logging.getLogger(__name__)
COUNT_EVERY: Final = 6
"""Lake and warehouse are asked every so many views: each asking costs them something."""


class Viewer:
    """Gathers what there is to show."""

    def __init__(self, demo: Running) -> None:
        self._demo = demo
        self._views = 0
        self._objects = 0
        self._rows = 0
        self._lake = Lake(demo.stack.env()["LAKE"])
        self._sent = Sent(ledger(demo.stack))

    def look(self) -> View:
        """Returns this moment."""
        demo = self._demo
        demo.messages += demo.outbox.take()
        if self._views % COUNT_EVERY == 0:
            self._count()
        self._views += 1
        with demo.observer.lock:
            sight = demo.observer.sight
            hops = {
                "devices": self._sent.count(),
                "gateways": sum(sight.accepted.values()),
                "Kafka": len(sight.kafka),
                "Spark scored": len(sight.scored),
                "alarms": sum(sight.started.values()),
                "SNS accepted": len(sight.notifications),
            }
            named = {
                "Kafka": "sensor_to_kafka",
                "Spark scored": "sensor_to_scored",
                "alarms": "sensor_to_alarm",
                "SNS accepted": "sensor_to_sns",
            }
            latencies = {hop: list(sight.latencies_ms[name]) for hop, name in named.items()}
            newest = list(sight.latest.values())
        elapsed = time.monotonic() - demo.began
        return View(elapsed, hops, latencies, newest, demo.messages, self._objects, self._rows)

    def _count(self) -> None:
        env = self._demo.stack.env()
        # Before the first commit, and while a fault has them down, the last known figures stand.
        try:
            self._rows = Warehouse(env["WAREHOUSE"]).rows()
            self._objects = self._lake.objects()
        except (psycopg.Error, OSError) as error:
            log.debug("lake or warehouse not counted: %s", error)
