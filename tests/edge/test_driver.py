"""The second driver, as the docs show it."""

import json
import re
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from edge.gateway import Gateway
from edge.metrics import Metrics
from edge.settings import Settings
from edge.status import cli
from edge.store.open import open_outbox

DOC = Path(__file__).parents[2] / "docs" / "edge-driver.md"


@pytest.mark.timeout(30)
def test_the_driver_in_the_docs_delivers_and_is_acknowledged_after_the_commit(
    settings: Settings, make: SimpleNamespace
) -> None:
    code = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)[0]
    body = [line for line in code.partition("class ")[2].splitlines() if line.strip()]
    assert len(body) <= 20
    names: dict[str, type] = {}
    exec(compile(code, str(DOC), "exec"), names)  # noqa: S102 - the docs' own code is what is tested
    here, there = socket.socketpair()
    driver = names["LineDriver"](there.makefile("rwb", buffering=0))
    there.close()
    clock = make.Clock()
    outbox = open_outbox(settings.edge_data, clock())
    bedside = make.Bedside()
    gateway = Gateway(settings, outbox, [driver], bedside, metrics=Metrics(CollectorRegistry()), now_ms=clock)
    stop = threading.Event()
    hears = here.makefile("rb")
    with here:
        runner = threading.Thread(target=hear_then_stop, args=(here, hears, make, stop))
        runner.start()
        gateway.run(make.Above(), stop)
        runner.join()
        hears.close()
    accepted = list(cli.accepted(settings.edge_data))
    outbox.close()
    assert accepted == [{"device": "dev-7", "boot": 7, "ranges": [[0, 1]]}]


def hear_then_stop(here: socket.socket, hears: object, make: SimpleNamespace, stop: threading.Event) -> None:
    try:
        for seq in (0, 1, 1):
            here.sendall(b"dev-7 " + make.frame(seq, hr=72) + b"\n")
            line = hears.readline()  # type: ignore[attr-defined] # a socket's file
            assert line == b"+dev-7\n", json.dumps(repr(line))
    finally:
        stop.set()
