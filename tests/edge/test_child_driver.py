"""Drivers in processes of their own: what they cost when they hang, leak, die or talk nonsense; HL7's over sockets."""

import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.devices.child_driver import ChildDriver
from edge.devices.child_program import Program
from edge.devices.driver import DeviceMessage, NamedPatients, RefusedMessage
from edge.devices.identities import Identities
from edge.devices.listener import programs
from infra.local.pki import Authority
from infra.local.ports import Ports
from tests.support import hl7_makes as makes
from tests.support.hl7_makes import BASE, Monitor
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


class Taken:
    """The gateway's side: holds messages until told to decide."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._lock = threading.Lock()

    def __call__(self, item: Any) -> None:  # noqa: ANN401 - an item of a driver
        with self._lock:
            self.items.append(item)

    @property
    def messages(self) -> list[DeviceMessage]:
        return [
            one.message if isinstance(one, RefusedMessage) else one
            for one in list(self.items)
            if len(one) != 2 or isinstance(one, RefusedMessage)
        ]

    def decide(self) -> None:
        """Acknowledges everything, as after a commit."""
        with self._lock:
            found, self.items = self.messages, []
        for message in found:
            message.ack([message.receipt])


@pytest.fixture
def begun(request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[ChildDriver, Taken, int]]]:
    running: list[ChildDriver] = []

    def begin(query: str = "device=mon-1&zone=UTC", **about: Any) -> tuple[ChildDriver, Taken, int]:  # noqa: ANN401
        (port,) = Ports.ephemeral(1).devices
        (program,) = programs([f"hl7://127.0.0.1:{port}?{query}"])
        driver, taken = ChildDriver(program, about.pop("identities", Identities()), **about), Taken()
        driver.start(taken)
        running.append(driver)
        until(lambda: driver.pid is not None, "the driver runs")
        return driver, taken, port

    yield begin
    for driver in running:
        driver.stop()


Begun = Callable[..., tuple[ChildDriver, Taken, int]]


def arrive(taken: Taken, count: int) -> None:
    until(lambda: len(taken.messages) >= count, f"{count} messages", every_s=0.01)


def test_an_answer_follows_the_decision_in_the_order_of_the_messages_with_the_reason_of_a_refusal(begun: Begun) -> None:
    _, taken, port = begun()
    monitor = Monitor(port)
    for sent in (makes.ge(control="1"), b"nonsense", makes.ge(control="2"), makes.philips(control="3")):
        monitor.send(sent)
    arrive(taken, 4)
    assert taken.items[0] == NamedPatients("mon-1", ("p-1",))
    assert {message.device for message in taken.messages} == {"mon-1"}
    monitor._socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        monitor._socket.recv(1)
    monitor._socket.settimeout(10)
    # Decided in another order.
    for message in reversed(taken.messages):
        message.ack([message.receipt])
    answers = [monitor.answer() for _ in range(4)]
    assert [(code, control) for code, control, _ in answers] == [("AA", "1"), ("AR", ""), ("AA", "2"), ("AA", "3")]
    assert "MSH" in answers[1][2]
    monitor.close()


def test_a_driver_that_is_killed_starts_again_and_repeats_have_the_numbers_of_the_first(begun: Begun) -> None:
    restarts: list[int] = []
    driver, taken, port = begun(restarted=lambda: restarts.append(1))
    monitor = Monitor(port)
    monitor.send(makes.ge())
    arrive(taken, 1)
    (first,) = taken.messages
    pid = driver.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # The port is open meanwhile: the message waits.
    again = Monitor(port)
    again.send(makes.ge())
    arrive(taken, 2)
    assert taken.messages[1].payload == first.payload
    # A decision on a message of the killed process answers nobody.
    first.ack([first.receipt])
    taken.decide()
    assert again.answer()[:2] == ("AA", "17")
    assert (restarts, driver.pid != pid) == ([1], True)
    monitor.close()
    again.close()


def test_a_driver_that_hangs_is_killed_and_started_again(begun: Begun) -> None:
    driver, taken, port = begun(silent_s=3.0)
    pid = driver.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: driver.pid not in {None, pid}, "another process", 20)
    monitor = Monitor(port)
    monitor.send(makes.ge())
    arrive(taken, 1)
    taken.decide()
    assert monitor.answer()[0] == "AA"
    monitor.close()


def test_a_driver_beyond_its_memory_is_killed_and_started_again(begun: Begun) -> None:
    restarts: list[int] = []
    begun(max_rss=16 * 2**20, restarted=lambda: restarts.append(1))
    until(lambda: restarts, "it is started again", 20)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("c.sendall(b'no json\\n'); c.recv(1)", "cannot be read"),
        ("c.sendall(b'x' * 2_000_000); c.recv(1)", "longer than"),
        ('c.sendall(b\'{"n":1,"device":"d","refused":"r"}\\n\' * 5_000); c.recv(1)', "without a decision"),
    ],
)
def test_a_driver_that_ends_or_talks_nonsense_is_ended_and_told_with_the_cause(
    code: str, cause: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_driver.py").write_text(f"import socket, sys\nc = socket.socket(fileno=int(sys.argv[1]))\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    driver = ChildDriver(Program("odd", "odd_driver", (), ()), Identities())
    driver.start(Taken())
    until(lambda: any(cause in str(getattr(r, "data", "")) for r in caplog.records), cause, 20)
    driver.stop()


def test_a_driver_that_reads_no_decisions_never_holds_the_gateway_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import socket, sys, time\nc = socket.socket(fileno=int(sys.argv[1]))\nn = 0\nwhile True:\n    n += 1\n"
    code += '    c.sendall(b\'{"n":%d,"device":"d","refused":"r"}\\n\' % n)\n'
    (tmp_path / "deaf_driver.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    driver = ChildDriver(Program("deaf", "deaf_driver", (), ()), Identities())
    driver.start(lambda one: one.message.ack([one.message.receipt]) if isinstance(one, RefusedMessage) else None)
    until(lambda: any("takes no decisions" in str(getattr(r, "data", "")) for r in caplog.records), "it is ended", 60)
    driver.stop()


def test_a_gateway_that_is_killed_leaves_no_driver_even_a_stopped_one(tmp_path: Path) -> None:
    (port,) = Ports.ephemeral(1).devices
    code = (
        "import os, signal, time\nfrom edge.devices.child_driver import ChildDriver\n"
        "from edge.devices.identities import Identities\nfrom edge.devices.listener import programs\n"
        f"d = ChildDriver(programs(['hl7://127.0.0.1:{port}?device=m'])[0], Identities())\n"
        "up = []\nd.start(up.append)\nwhile not up: time.sleep(0.01)\nprint(d.pid, flush=True)\ntime.sleep(60)\n"
    )
    gateway = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603 - own words
    with gateway:
        assert gateway.stdout is not None
        monitor = Monitor(port)
        monitor.send(makes.ge())
        pid = int(gateway.stdout.readline())
        monitor.close()
        os.kill(pid, signal.SIGSTOP)
        gateway.kill()
        until(lambda: not alive(pid), "its driver is gone")


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_over_tls_the_certificate_names_the_device_and_nobody_without_one_is_heard(
    begun: Begun, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    mine, theirs = authority.server("gw-1"), authority.client("mon-9")
    files = f"cert={mine.cert}&key={mine.key}&ca={mine.ca}"
    _, taken, port = begun(files)
    context = ssl.create_default_context(cafile=str(mine.ca))
    context.check_hostname = False
    until_up = Monitor(port)
    until_up.close()
    stranger = Monitor(port, wrap=context.wrap_socket)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        stranger.ask(makes.ge())
    stranger.close()
    context.load_cert_chain(theirs.cert, theirs.key)
    monitor = Monitor(port, wrap=context.wrap_socket)
    monitor.send(makes.ge())
    arrive(taken, 1)
    assert [message.device for message in taken.messages] == ["mon-9"]
    taken.decide()
    assert monitor.answer()[0] == "AA"
    monitor.close()


def test_many_messages_without_waiting_are_all_answered(begun: Begun) -> None:
    driver, _, port = begun()
    taken = Taken()
    driver._deliver = lambda one: one.ack([one.receipt]) if isinstance(one, DeviceMessage) else taken(one)
    monitor = Monitor(port)
    sender = threading.Thread(target=lambda: [monitor.send(makes.ge(control=str(k))) for k in range(1_000)])
    sender.start()
    assert [monitor.answer()[1] for _ in range(1_000)] == [str(k) for k in range(1_000)]
    sender.join()
    monitor.close()


def test_identities_of_a_day_survive_a_restart_in_little_memory() -> None:
    known = Identities()
    stored = [(BASE + k, known.number("mon-1", k * 7_919 + 1, BASE + k).entry) for k in range(70_000)]
    again = Identities(stored)
    for k in (0, 1, 32_767, 32_768, 69_999):
        numbers = known.number("mon-1", k * 7_919 + 1, BASE)
        assert (numbers.seq, again.number("mon-1", k * 7_919 + 1, BASE)) == (k, numbers)
    fresh = again.number("mon-1", 2, BASE)
    assert (fresh.seq, fresh.boot == known.number("mon-1", 1, BASE).boot) == (0, False)
    late = BASE + 86_400_000 + 70_001
    assert again.number("mon-1", 1, late).boot == fresh.boot


def test_an_url_that_names_no_device_or_is_of_no_driver_is_refused_with_its_reason() -> None:
    for url, reason in (
        ("sdc://h:1", "scheme"),
        ("hl7://h", "host:port"),
        ("hl7://h:1", "either device=NAME, or cert"),
        ("hl7://h:1?device=m&cert=/x", "either|cert, key and ca"),
        ("hl7://h:1?device=a/b", "no name"),
        ("hl7://h:1?device=m&devices=msh-3", "TLS"),
        ("hl7://h:1?device=m&zone=Mars/Base", "Mars"),
        ("hl7://h:1?device=m&port=2", "port unknown"),
        ("hl7://h:99999?device=m", "range"),
        ("hl7://h:1?device=m&patients=some", "compare or ignore"),
        ("hl7://h:1?cert=/no/c&key=/no/k&ca=/no/a", "no file"),
    ):
        with pytest.raises(ValueError, match=reason):
            programs([url])
