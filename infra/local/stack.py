"""The whole local stack as one value: parts that start, answer and end together, and their addresses."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from infra.local.pki import Authority, Identity
from infra.local.ports import DEFAULT_GATEWAYS, HOST, Ports, require_free
from infra.local.process import PartError, Processes, Spec, base_env, start_ticks
from infra.local.servers import moto as aws
from infra.local.servers.kafka import kafka
from infra.local.servers.mosquitto import BRIDGE, device_broker, site_broker
from infra.local.servers.postgres import DATABASE, USER, postgres
from infra.local.servers.sns import part as bad_sns
from infra.local.servers.sns.server import Options

DEVICE_BROKERS, SITE_BROKER, KAFKA, POSTGRES, MOTO = "device-brokers", "site-broker", "kafka", "postgres", "moto"
PARTS = (DEVICE_BROKERS, SITE_BROKER, KAFKA, POSTGRES, MOTO)
SNS = "sns"
"""The second SNS server, in addition to moto's, only on request."""


class LocalStack:
    """The outside parts of Wardwatch on 127.0.0.1, with their data under `var`.

    As a context manager it starts them and ends them, and a reaper ends them even if this process is killed. Several
    stacks can run at once if their `var` and their ports differ.

    Args:
        var: Folder of data, logs and records; made if absent.
        ports: Ports of the parts; None uses those of the stack that runs in `var`, else the default ones.
        gateways: Names of the gateways; each gets a broker for its devices and a client certificate.
        parts: Parts to start, out of `PARTS`.
        kafka_heap_mb: Kafka's largest heap, MB.
        bridges: Names of the bridges that may connect to the site broker.
        sns: Behaviour of a second SNS server, which is then a part too; None: SNS is moto's.
    """

    def __init__(
        self,
        var: Path,
        *,
        ports: Ports | None = None,
        gateways: Collection[str] = DEFAULT_GATEWAYS,
        parts: Collection[str] = PARTS,
        kafka_heap_mb: int = 512,
        bridges: Collection[str] = (BRIDGE,),
        sns: Options | None = None,
    ) -> None:
        if unknown := set(parts) - set(PARTS):
            raise ValueError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        self.var = var.resolve()
        self.parts = (*(part for part in PARTS if part in parts), *((SNS,) if sns else ()))
        self._sns = sns
        self.processes = Processes(self.var)
        self.gateways, self.ports = self._agree(tuple(gateways), ports)
        self._kafka_heap_mb, self._bridges = kafka_heap_mb, tuple(bridges)
        self._authority = Authority(self.var / "pki")
        self._guard: psutil.Popen | None = None

    def __enter__(self) -> Self:
        self._stand_guard()
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self, parts: Collection[str] | None = None) -> None:
        """Starts those of `parts` (by default all of the stack's) that do not run, and waits until all of them serve.

        Raises:
            PortTakenError: A port is in use; nothing was started.
            PartError: A part did not start.
        """
        parts = self.parts if parts is None else parts
        with self._alone():
            require_free(self.closed_ports(parts))
            self._state.write_text(json.dumps({"gateways": self.gateways, "ports": asdict(self.ports)}))
            specs = self.specs(parts)
            for spec in specs:
                self.processes.start(spec)
            for spec in specs:
                self.processes.wait_ready(spec)
            if MOTO in parts:
                aws.make_resources(self.ports.moto)

    def down(self) -> None:
        """Ends everything that was started here, tiers first; a part that does not run is no error."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()
            self._guard = None
        if self._state.exists():
            with self._alone():
                self.processes.end([name for name in self.processes.records() if not self._is_part(name)])
                self.processes.end()
                self._state.unlink(missing_ok=True)

    def running(self) -> bool:
        """Returns whether a stack runs in `var`."""
        return self._state.exists() and bool(self.processes.alive())

    def closed_ports(self, parts: Collection[str]) -> list[tuple[str, int]]:
        """Returns the ports that `up` would still use for `parts`, each with the name of its process."""
        alive = self.processes.alive()
        return [(name, port) for name, port in self._listening(parts) if name not in alive]

    def specs(self, parts: Collection[str] | None = None) -> list[Spec]:
        """Returns the specifications of parts (by default all of the stack's); prepares their folders on first use."""
        parts = self.parts if parts is None else parts
        ports, builders = self.ports, list[Callable[[], Spec]]()
        if KAFKA in parts:
            folder, heap_mb = self.var / "kafka", self._kafka_heap_mb
            builders.append(lambda: kafka(folder, ports.kafka, ports.kafka_controller, heap_mb))
        if POSTGRES in parts:
            builders.append(lambda: postgres(self.var / "postgres", ports.postgres)[0])
        if MOTO in parts:
            builders.append(lambda: aws.moto(ports.moto))
        if SNS in parts and self._sns is not None:
            options = self._sns
            builders.append(lambda: bad_sns.sns(ports.sns, options, aws.endpoint(ports.moto)))
        if SITE_BROKER in parts:
            server, probe = self._authority.server("site-broker"), self.identity("probe")
            site = self.var / "site-broker"
            builders.append(lambda: site_broker(site, ports.site, server, probe, bridges=self._bridges))
        if DEVICE_BROKERS in parts:
            for gateway, port in zip(self.gateways, ports.devices, strict=True):
                builders.append(partial(self._device_broker, gateway, port))
        # On first use Kafka's format and PostgreSQL's initdb need seconds each, so they run in parallel.
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda build: build(), builders))

    def identity(self, name: str) -> Identity:
        """The certificate of a client of the site broker: a gateway's name, or `bridge`."""
        return self._authority.client(name)

    def device_broker_url(self, gateway: str) -> str:
        """The address of a gateway's own broker."""
        return f"mqtt://{HOST}:{self.ports.devices[self.gateways.index(gateway)]}"

    def env(self) -> dict[str, str]:
        """The addresses of all parts as environment variables; the uplink's certificate is the first gateway's."""
        ports = self.ports
        return {
            **(self._bedside() if self.gateways else {}),
            "UPLINK": f"mqtts://{HOST}:{ports.site}",
            "KAFKA_BOOTSTRAP": f"{HOST}:{ports.kafka}",
            "AWS_ENDPOINT_URL": aws.endpoint(ports.moto),
            **(bad_sns.environ(ports.sns) if self._sns else {}),
            **aws.CREDENTIALS,
            "LAKE": f"s3://{aws.BUCKET}/lake?endpoint_override={aws.endpoint(ports.moto)}",
            "WAREHOUSE": self.warehouse_url(),
            "ALERT_OUTBOX_URL": aws.outbox_url(ports.moto),
            "CONSOLE_URL": f"http://{HOST}:{ports.console}",
        }

    def _bedside(self) -> dict[str, str]:
        first = self.identity(self.gateways[0])
        brokers = {
            f"DEVICE_BROKER_{index}": self.device_broker_url(name) for index, name in enumerate(self.gateways, 1)
        }
        return {
            "DEVICE_BROKER": self.device_broker_url(self.gateways[0]),
            **brokers,
            "UPLINK_CA": str(first.ca),
            "UPLINK_CERT": str(first.cert),
            "UPLINK_KEY": str(first.key),
        }

    def warehouse_url(self) -> str:
        """The database's address, with its password once there is one."""
        password = self.var / "postgres" / "password"
        secret = f":{password.read_text().strip()}" if password.exists() else ""
        return f"postgresql://{USER}{secret}@{HOST}:{self.ports.postgres}/{DATABASE}"

    @property
    def _state(self) -> Path:
        return self.processes.run / "stack.json"

    def _agree(self, gateways: tuple[str, ...], ports: Ports | None) -> tuple[tuple[str, ...], Ports]:
        """The gateways and ports of the stack that runs here already, else the wanted ones."""
        if not self.running():
            return gateways, ports or Ports.from_base(gateways=len(gateways))
        known = json.loads(self._state.read_text())
        lists = {key: tuple(value) for key, value in known["ports"].items() if isinstance(value, list)}
        there = Ports(**{**known["ports"], **lists})
        if ports not in (None, there):
            raise PartError(
                f"A stack runs in {self.var} on other ports already: python -m infra.local down, then up again"
            )
        return tuple(known["gateways"]), there

    def _listening(self, parts: Collection[str]) -> Iterator[tuple[str, int]]:
        """The ports of some parts by the name of the process that will hold them."""
        wanted = {part: part for part in parts}
        wanted |= {"kafka-controller": KAFKA} if KAFKA in parts else {}
        brokers = {f"device-broker-{i}": self._device_broker_name(name) for i, name in enumerate(self.gateways, 1)}
        wanted |= brokers if DEVICE_BROKERS in parts else {}
        yield from ((wanted[name], port) for name, port in self.ports.named() if name in wanted)

    def _device_broker(self, gateway: str, port: int) -> Spec:
        name = self._device_broker_name(gateway)
        return device_broker(name, self.var / name, port)

    @staticmethod
    def _device_broker_name(gateway: str) -> str:
        return f"device-broker-{gateway}"

    @staticmethod
    def _is_part(name: str) -> bool:
        return name in {*PARTS, SNS} or name.startswith("device-broker-")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time in one folder."""
        self.processes.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.processes.run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stand_guard(self) -> None:
        """Starts the process that ends everything here once this one is gone, however it went."""
        owner = os.getpid()
        argv = [sys.executable, "-m", "infra.local.orphan_reaper", str(self.var), str(owner), str(start_ticks(owner))]
        root = str(Path(__file__).parents[2])
        env: Mapping[str, str] = {**base_env(), "PYTHONPATH": root}
        self._guard = psutil.Popen(argv, env=env, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/")
