"""The cable that can be pulled."""

import socket
import threading

import pytest

from infra.demo.relay import Relay


class Echo:
    """A server that sends back what it gets, until it is closed."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
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
