"""The Ray cluster that the shards live in: started here on loopback, or joined by its address.

What reaches Ray runs code in it. So it listens on loopback alone when it is started here, and its processes prove a
shared secret (Ray's token) to each other in every case: RAY_AUTH_TOKEN, or the one that Ray keeps in the user's home.
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
    """Returns the name under which a shard writes; of several that bear it the newest alone can write."""
    return f"watch-{number}"


def start(settings: Watch) -> ModuleType:
    """Starts Ray on loopback, or joins the cluster at RAY_ADDRESS; returns the module, connected.

    Raises:
        ConnectionError: RAY_PORT is taken, Ray did not start within its 30 s, or no cluster is at RAY_ADDRESS.
    """
    if settings.ray_address:
        return join(settings.ray_address, settings.ray_auth_token)
    _await_port(settings.ray_port)
    # Ray gives `init` no parameter for it.
    os.environ["RAY_GCS_SERVER_PORT"] = str(settings.ray_port)
    ray = _prepared(settings.ray_auth_token, loopback=True)
    _begin(ray, settings.watch_shards, settings.watch_object_store_mb)
    return ray


def alone(cpus: int, token: str | None = None, object_store_mb: int = 80) -> ModuleType:
    """Starts a cluster of this process's own on loopback, on any free port; returns the module, connected.

    The shards of `cloud watch` hold their cluster's processors, so other work beside them gets none.

    Raises:
        ConnectionError: Ray did not start within its 30 s.
    """
    ray = _prepared(token, loopback=True)
    _begin(ray, cpus, object_store_mb)
    return ray


def _begin(ray: ModuleType, cpus: int, object_store_mb: int) -> None:
    try:
        ray.init(
            # Without it Ray joins whatever cluster it finds on this machine.
            address="local",
            namespace=NAMESPACE,
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=object_store_mb << 20,
            _node_ip_address="127.0.0.1",
            # Shards hand their lines over by themselves, and Ray's own go where all logging goes.
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:
        # Ray raises nothing narrower.
        raise ConnectionError(f"Ray did not start: {error} Is this machine busy? Try again") from error


def _await_port(port: int) -> None:
    """Waits until a former Ray, whose driver was killed, has let go of its port."""
    deadline = time.monotonic() + PORT_FREE_S
    while True:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ConnectionError(
                        f"RAY_PORT={port} is taken: stop what listens there, or choose another"
                    ) from error
            else:
                return
        time.sleep(0.2)


def join(address: str, token: str | None = None) -> ModuleType:
    """Joins the cluster at `host:port` as one more driver; returns the module, connected.

    Raises:
        ConnectionError: No cluster is there; Ray has tried for some seconds.
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
    """Imports Ray, whose settings are read from the environment at its import, and in its child processes."""
    # No report of use leaves the ward, and no idle workers are kept in advance.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_enable_worker_prestart", "0")
    # Ray takes its workers for background work (nice 15); here they are what raises alarms.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if token:
        os.environ["RAY_AUTH_TOKEN"] = token
    if loopback:
        # Ray takes 127.0.0.1 for a mistake and listens everywhere, unless it may not form clusters at all.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray  # noqa: PLC0415 - see above

    module: ModuleType = ray
    return module
