"""`python -m cloud adt`: builds its parts and runs them."""

import logging
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap, parse
from cloud.admissions.adt.parse import Reader
from cloud.adt import folder
from cloud.adt.last_signs import LastSigns
from cloud.adt.listener import Listener, tls_context
from cloud.adt.settings import Adt
from cloud.adt.station import Station
from cloud.console.live.ray_client import RayState
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from vitals.runtime.daemon import notify, now_ms, serve_metrics
from vitals.runtime.daemon import run as run_daemon
from vitals.wire import topics

logger = logging.getLogger("adt")
MAX_ERRORS: Final = 20


def run(environ: Mapping[str, str]) -> int:
    """Runs the job until SIGTERM or SIGINT."""
    return run_daemon("adt", Adt, _start, environ)


def read_map(path: Path) -> LocationMap:
    """Reads a location map.

    Raises:
        OSError: It cannot be read.
        ValueError: It has errors; the message has the first ones, with their lines.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = parse(file)
    if table.errors:
        raise ValueError(f"{path}: " + "; ".join(table.errors[:MAX_ERRORS]))
    return LocationMap(row for _, row in table.rows)


def _start(settings: Adt, stop: threading.Event) -> int:
    try:
        places = read_map(settings.adt_locations)
        stamp = settings.adt_locations.stat().st_mtime_ns
        tls = None
        if settings.adt_tls_cert is not None and settings.adt_tls_key is not None:
            tls = tls_context(settings.adt_tls_cert, settings.adt_tls_key, settings.adt_tls_ca)
    except (OSError, ValueError) as error:
        logger.error("cannot start: %s", error)
        return 2
    address = settings.ray_address or f"127.0.0.1:{settings.ray_port}"
    signs = LastSigns(RayState(address, settings.ray_auth_token, settings.watch_shards))
    looking = threading.Thread(target=partial(signs.run, stop), name="signs", daemon=True)
    listener = None
    failed = threading.Event()
    try:
        if not partitions.wait(settings, stop, (topics.PATIENTS, topics.ADT, topics.ADT_ANSWERS)):
            return 0
        reader, writer = KafkaReader(settings, "adt"), KafkaWriter(settings, "adt")
        messages = Reader(ZoneInfo(settings.adt_time_zone), settings.adt_authority)
        station = Station(Desk(places, signs), messages, reader, writer, settings.layout)
        station.start(now_ms())
        looking.start()
        if settings.adt_listen:
            host, _, port = settings.adt_listen.rpartition(":")
            listener = Listener((host, int(port)), lambda raw: station.receive(raw, now_ms()), failed.set, tls)
        serve_metrics(settings.metrics_port)
        notify("READY=1")
        logger.info("ADT is read: MLLP on %s, files of %s", settings.adt_listen or "none", settings.adt_folder)
        while not stop.is_set() and not failed.is_set():
            station.step(now_ms(), 0.2)
            stamp = _mapped(station, settings.adt_locations, stamp)
            if settings.adt_folder is not None:
                folder.take(settings.adt_folder, lambda raw: station.receive(raw, now_ms()))
            notify("WATCHDOG=1")
    except (KafkaUnavailableError, OSError, ValueError) as error:
        logger.error("stopping, a restart continues: %s", error)
        failed.set()
    finally:
        stop.set()
        notify("STOPPING=1")
        if listener is not None:
            listener.close()
        if looking.is_alive():
            looking.join(10)
    return int(failed.is_set())


def _mapped(station: Station, path: Path, stamp: int) -> int:
    """Reads a changed location map; one with errors changes nothing."""
    try:
        now = path.stat().st_mtime_ns
        if now != stamp:
            station.map(read_map(path), now_ms())
            logger.info("location map read again")
    except (OSError, ValueError) as error:
        logger.error("location map not read, the former one stays: %s", error)
        return stamp if not path.exists() else path.stat().st_mtime_ns
    return now
