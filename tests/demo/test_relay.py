"""The cable that can be pulled."""

import socket
import threading
import time

import pytest

from infra.demo.fault_proxy import Relay


class Echo:
    """A server that sends back what it gets, until it is closed."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    def close(self) -> None:
        self._thread.join(timeout=10)
        self._server.close()
        assert not self._thread.is_alive()


def test_a_cut_cable_stalls_and_goes_on_where_it_was() -> None:
    echo = Echo()
    with Relay(echo.port) as cable, socket.create_connection(("127.0.0.1", cable.port), timeout=5) as line:
        line.sendall(b"before")
        assert line.recv(1024) == b"before"
        cable.pull()
        line.sendall(b"during")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1024)
        assert cable.cut
        cable.plug()
        line.settimeout(5)
        assert line.recv(1024) == b"during"
        line.close()
        echo.close()


def test_a_target_that_is_gone_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Relay(port) as cable, socket.create_connection(("127.0.0.1", cable.port), timeout=5) as line:
        assert line.recv(1024) == b""


def test_a_slow_cable_takes_its_time_and_loses_nothing() -> None:
    echo = Echo()
    with Relay(echo.port) as cable, socket.create_connection(("127.0.0.1", cable.port), timeout=5) as line:
        cable.slow(40_000)
        sent, began = bytes(8_000), time.monotonic()
        line.sendall(sent)
        got = 0
        while got < len(sent):
            got += len(line.recv(4096))
        # 0.2 s there, and as long back, of which most runs side by side.
        assert time.monotonic() - began >= 0.2
        line.close()
        echo.close()


def test_a_refusing_cable_ends_every_connection_and_takes_none_until_it_is_mended() -> None:
    echo = Echo()
    with Relay(echo.port) as cable, socket.create_connection(("127.0.0.1", cable.port), timeout=5) as line:
        line.sendall(b"before")
        assert line.recv(1024) == b"before"
        cable.refuse()
        assert ended(line)
        with socket.create_connection(("127.0.0.1", cable.port), timeout=5) as other:
            assert ended(other)
        cable.plug()
        echo.close()
        again = Echo(echo.port)
        with socket.create_connection(("127.0.0.1", cable.port), timeout=5) as mended:
            mended.sendall(b"again")
            assert mended.recv(1024) == b"again"
        again.close()


def ended(line: socket.socket) -> bool:
    """Whether the other side ends the connection, by an end or by a reset."""
    try:
        return line.recv(1024) == b""
    except ConnectionResetError:
        return True


def test_a_lost_answer_is_that_of_the_request_named_and_the_next_one_comes() -> None:
    echo = Echo()
    with Relay(echo.port) as cable:
        cable.lose_answer(b"twice", b"twice")
        with socket.create_connection(("127.0.0.1", cable.port), timeout=5) as line:
            line.sendall(b"once")
            assert line.recv(1024) == b"once"
            assert not cable.lost
            line.sendall(b"twice")
            assert line.recv(1024) == b""
        assert cable.lost
        echo.close()
