"""The Ray cluster of the shards: started here on loopback, or joined by its address.

A client of Ray can run code in it. A cluster started here therefore listens on loopback only. In every case its
processes authenticate by a shared secret (Ray's token): RAY_AUTH_TOKEN, or the token that Ray keeps in the user's home.
"""

import ipaddress
import os
import socket
import time
from types import ModuleType
from typing import Final

from cloud.settings import Watch

PORT_FREE_S: Final = 20.0
NAMESPACE: Final = "wardwatch"


def shard_name(number: int) -> str:
    """Returns the name of a shard's actor within `NAMESPACE`."""
    return f"shard-{number}"


def writer_name(number: int) -> str:
    """Returns a shard's transactional id; of several writers with one id only the newest can write."""
    return f"watch-{number}"


def start(settings: Watch) -> ModuleType:
    """Starts Ray on loopback, or joins the cluster at RAY_ADDRESS; returns the `ray` module, connected.

    Raises:
        ConnectionError: RAY_PORT is in use, Ray did not start within its 30 s, or no cluster is at RAY_ADDRESS.
    """
    if settings.ray_address:
        return join(settings.ray_address, settings.ray_auth_token)
    _await_port(settings.ray_port)
    # `ray.init` has no parameter for this port.
    os.environ["RAY_GCS_SERVER_PORT"] = str(settings.ray_port)
    ray = _prepared(settings.ray_auth_token, loopback=True)
    _begin(ray, settings.watch_shards, settings.watch_object_store_mb)
    return ray


def alone(cpus: int, token: str | None = None, object_store_mb: int = 80) -> ModuleType:
    """Starts a separate cluster for this process on loopback, on any free port; returns the `ray` module, connected.

    The shards of `cloud watch` occupy all processors of their cluster, so other work would get none there.

    Raises:
        ConnectionError: Ray did not start within its 30 s.
    """
    ray = _prepared(token, loopback=True)
    _begin(ray, cpus, object_store_mb)
    return ray


def _begin(ray: ModuleType, cpus: int, object_store_mb: int) -> None:
    try:
        ray.init(
            # Without an address Ray joins any cluster that it finds on this machine.
            address="local",
            namespace=NAMESPACE,
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=object_store_mb << 20,
            _node_ip_address="127.0.0.1",
            # The driver fetches the shards' log lines itself, and Ray's own lines go through the usual logging.
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:
        # Ray raises no narrower exception.
        raise ConnectionError(f"Ray did not start: {error} Is this machine busy? Try again") from error


def _await_port(port: int) -> None:
    """Waits until an earlier Ray, after its driver was killed, has released its port."""
    deadline = time.monotonic() + PORT_FREE_S
    while True:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ConnectionError(
                        f"RAY_PORT={port} is in use: stop the process that listens on it, or choose another port"
                    ) from error
            else:
                return
        time.sleep(0.2)


def join(address: str, token: str | None = None) -> ModuleType:
    """Joins the cluster at `host:port` as one more driver; returns the `ray` module, connected.

    Raises:
        ConnectionError: No cluster answers there within Ray's own timeout of some seconds.
    """
    ray = _prepared(token, loopback=_is_loopback(address.rpartition(":")[0]))
    ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    return ray


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _prepared(token: str | None, *, loopback: bool) -> ModuleType:
    """Imports Ray after setting the environment, which Ray reads at import and in its child processes."""
    # No usage report leaves the ward, and no idle workers are started in advance.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_enable_worker_prestart", "0")
    # Ray runs its workers with nice 15, as background work; here they raise alarms.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if token:
        os.environ["RAY_AUTH_TOKEN"] = token
    if loopback:
        # Ray ignores 127.0.0.1 and listens on all interfaces, unless clusters of several machines are switched off.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray  # noqa: PLC0415 - see above

    module: ModuleType = ray
    return module
