"""Telegraf as a peer of the bridge: built from its Go module outside the repository, configured as documented.

Its build tags leave out all plugins but the three that it needs (`docs/CUSTOMIZATION.md` of Telegraf); with all of them
the build takes gigabytes. Telegraf can neither inflate nor read columns, so it gets each batch as a plain JSON list.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.local.pki import Identity
from infra.local.ports import HOST
from infra.local.prerequisites import cache_folder
from infra.local.process import Spec, base_env

MODULE: Final = "github.com/influxdata/telegraf"
VERSION: Final = "v1.37.2"
TAGS: Final = "custom,inputs.mqtt_consumer,outputs.kafka,parsers.json,serializers.json"
TOPIC: Final = "telegraf"
BUILD_S: Final = 3000

# Acknowledged to MQTT after Kafka has it: QoS 1, a kept session, tracked metrics; acks of all replicas, idempotent.
# A flush every 100 ms and at 1,000 readings, instead of 10 s: the shortest that keeps its batches full under load.
CONFIG: Final = """\
[agent]
  interval = "1s"
  flush_interval = "100ms"
  metric_batch_size = 1000
  metric_buffer_limit = 200000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["ssl://{address}"]
  topics = ["gateways/+/+/vitals"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 2000
  tls_ca = "{ca}"
  tls_cert = "{cert}"
  tls_key = "{key}"
  data_format = "json"
  tag_keys = ["patient", "device", "ward", "bed"]
  json_time_key = "t"
  json_time_format = "unix_ms"
[[outputs.kafka]]
  brokers = ["{bootstrap}"]
  topic = "{topic}"
  routing_tag = "patient"
  required_acks = -1
  idempotent_writes = true
  compression_codec = 3
  version = "3.0.0"
  data_format = "json"
  json_timestamp_units = "1ms"
"""


def program() -> Path | None:
    """Returns Telegraf, building it first when it is not there; None without Go."""
    folder = cache_folder() / f"telegraf-{VERSION}"
    made = folder / "telegraf"
    if made.exists():
        return made
    go = shutil.which("go")
    if go is None:
        sys.stderr.write(
            "There is no Go here, so that Telegraf cannot be built: install golang-go, or go.dev's, and again\n"
        )
        return None
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"building Telegraf {VERSION}, some minutes\n")
    try:
        source = _go(go, ("mod", "download", "-json", f"{MODULE}@{VERSION}"), folder)
        fresh = folder / "fresh"
        arguments = ("build", "-p", "2", "-mod=readonly", "-ldflags", "-s -w", "-tags", TAGS, "-o", str(fresh))
        _go(go, (*arguments, "./cmd/telegraf"), Path(json.loads(source)["Dir"]))
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"Telegraf could not be built: {error.stderr[-1500:]}\n")
        return None
    fresh.replace(made)
    return made


def _go(go: str, arguments: tuple[str, ...], folder: Path) -> str:
    # nice: a build must not disturb what is being measured beside it.
    argv = ("nice", "-n", "19", go, *arguments)
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True, timeout=BUILD_S).stdout  # noqa: S603 - this module's words


def spec(telegraf: Path, folder: Path, port: int, client: Identity, bootstrap: str) -> Spec:
    """Returns the specification of a Telegraf between a broker on loopback and a Kafka."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "telegraf.conf"
    identity = {"ca": client.ca, "cert": client.cert, "key": client.key}
    config.write_text(CONFIG.format(address=f"{HOST}:{port}", bootstrap=bootstrap, topic=TOPIC, **identity))
    return Spec("telegraf", (str(telegraf), "--config", str(config)), base_env(), stop_timeout_s=10)
