"""`python -m cloud canary gw-icu gw-med`: admits each gateway's canary, the test patient that proves the path works.

The gateway publishes for it with CANARY_S; its alarm of a temperature above 38 uses the whole path, to an SNS topic
without subscribers, and pages no contact.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from cloud.admissions.admission_rows import publish
from cloud.kafka import partitions
from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission
from vitals.limits import Limit
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire.topics import canary as name

WARD: Final = "canary"
BOUND: Final = Limit(high=38.0)
"""No delay, so that the second reading is the alarm; no extreme limit, so that the next calm reading ends it."""
HOLDS_S: Final = 60.0
"""At this cadence or a slower one, a single reading within its limit counts for the minute that ends an alarm."""


def admission(gateway: str, every_s: float, now: int) -> Admission:
    """Returns the admission of a gateway's canary.

    Args:
        gateway: Gateway id.
        every_s: Its CANARY_S, in which it sends four readings, s.
        now: UTC epoch ms.
    """
    canary = name(gateway)
    return Admission(
        patient=canary,
        version=now,
        name="Canary",
        born="2000-01-01",
        phone="112",
        address="the path itself",
        ward=WARD,
        bed=canary,
        gateway=gateway,
        devices=(canary,),
        since=now,
        cadence_s=max(every_s, HOLDS_S),
        overrides={"temp": BOUND},
        canary=True,
    )


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud canary", description=__doc__)
    parser.add_argument("gateways", nargs="+", metavar="GATEWAY")
    parser.add_argument("--every", type=float, default=60.0, help="the gateways' CANARY_S (default: %(default)s)")
    arguments = parser.parse_args(argv)
    log_json("canary")
    try:
        settings = load(Kafka, environ)
        now = now_ms()
        admissions = [admission(gateway, arguments.every, now) for gateway in arguments.gateways]
        partitions.check(settings)
        publish(KafkaWriter(settings, "canary"), admissions, settings)
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"canary: {error}\n")
        return 1
    sys.stdout.write(f"admitted the canaries of {', '.join(arguments.gateways)}; set their CANARY_S\n")
    return 0
