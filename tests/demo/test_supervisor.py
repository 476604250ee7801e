"""Who starts again what dies, and carries out faults."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge.store.open import open_outbox
from infra.demo.faults import Fault, What
from infra.demo.supervisor import Supervisor, drained
from infra.local.process import Processes, Spec, base_env
from tests.support.waiting import until
from vitals.readings import empty

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
NOW = 1_763_812_800_000


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.end()


def started(processes: Processes) -> tuple[Spec, list[psutil.Process]]:
    spec = Spec("job", (sys.executable, "-c", PARENT), base_env())
    main = processes.start(spec)
    until(lambda: bool(main.children()), "a child")
    return spec, [main, *main.children()]


def test_a_stalled_process_stands_still_with_all_below_it_and_goes_on_again(processes: Processes) -> None:
    spec, family = started(processes)
    said: list[str] = []
    with Supervisor(processes, [spec], {}, said.append) as supervisor:
        supervisor.strike(Fault(0, What.STALL, "job", 0.5))
        until(lambda: all(one.status() == psutil.STATUS_STOPPED for one in family), "the stop of all")
        supervisor.settle()
        until(lambda: not any(one.status() == psutil.STATUS_STOPPED for one in family), "the continuation of all")
        (struck,) = supervisor.struck
    assert struck.ended - struck.began >= 500
    assert said == ["fault: stall job for 0.5 s", "healed: stall job for 0.5 s"]


@pytest.mark.parametrize("what", [What.KILL, What.RESTART])
def test_what_is_killed_or_ended_is_there_again(processes: Processes, what: What) -> None:
    spec, family = started(processes)
    with Supervisor(processes, [spec], {}, lambda _: None) as supervisor:
        supervisor.strike(Fault(0, what, "job"))
        supervisor.settle()
        until(lambda: not any(one.is_running() for one in family), "the end of all")
        until(lambda: "job" in processes.alive(), "the restart")
        assert processes.alive()["job"].pid != family[0].pid


def test_an_outbox_is_drained_once_its_card_holds_no_reading(tmp_path: Path) -> None:
    spec = Spec("edge-gw", (), {**base_env(), "EDGE_DATA": str(tmp_path)})
    outbox = open_outbox(tmp_path, NOW)
    assert drained(spec)
    with outbox.transaction():
        outbox.append(1, empty())
    assert not drained(spec)
    outbox.close()
