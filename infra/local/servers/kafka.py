"""One Kafka node in KRaft mode: broker and controller in one process, on loopback, no topic made by accident."""

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from infra.local.maven_jars import jar_folder
from infra.local.ports import HOST
from infra.local.probes import kafka_serves
from infra.local.process import PartError, Spec, base_env

_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


def kafka(folder: Path, port: int, controller_port: int, heap_mb: int = 512) -> Spec:
    """The broker, its storage formatted on first use.

    Raises:
        PartError: The storage could not be formatted.
        JarsError: Kafka's jars have not been fetched.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    classes = f"{jar_folder('kafka')}/*"
    properties = folder / "server.properties"
    properties.write_text(
        "".join(f"{key}={value}\n" for key, value in _properties(folder, port, controller_port).items())
    )
    (folder / "log4j2.properties").write_text(_LOGGING)
    java = ("java", f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", classes)
    if not (folder / "data" / "meta.properties").exists():
        _format(java, folder, properties)
    # The small initial heap keep a quiet broker quiet; the collector's pauses stay far below the path's latency.
    heap = (
        f"-Xms{min(heap_mb, 128)}m",
        f"-Xmx{heap_mb}m",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:+ExitOnOutOfMemoryError",
    )
    argv = (java[0], *heap, *java[1:], "kafka.Kafka", str(properties))
    return Spec("kafka", argv, base_env(), ready=lambda: kafka_serves(port), ready_timeout_s=90, stop_timeout_s=20)


def _properties(folder: Path, port: int, controller_port: int) -> Mapping[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": folder / "data",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A group on one node has nobody to wait for.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # Sparse indexes of 16 partitions and eight topics would be 10 MB each.
        "log.index.size.max.bytes": 1 << 20,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "log.message.timestamp.type": "CreateTime",
    }


def _format(java: tuple[str, ...], folder: Path, properties: Path) -> None:
    # The cluster's id follows from the folder, so that formatting twice gives the same cluster.
    cluster = base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_URL, folder.as_uri()).bytes).decode().rstrip("=")
    argv = [
        *java,
        "kafka.tools.StorageTool",
        "format",
        "--config",
        str(properties),
        # In one word: some ids begin with a dash.
        f"--cluster-id={cluster}",
        "--ignore-formatted",
    ]
    done = subprocess.run(argv, env=base_env(), capture_output=True, text=True, check=False)  # noqa: S603 - this module's words
    if done.returncode != 0:
        raise PartError(f"Kafka's storage in {folder} could not be formatted:\n{done.stdout}{done.stderr}")
