"""Program of a driver in a process of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A driver's program.

    Attributes:
        name: Name in logs and metrics.
        module: Python module; its arguments are the descriptor of the socket, then one of a listening socket and a
            URL in turns.
        urls: URLs of its listening sockets.
        addresses: Host and port of each.
    """

    name: str
    module: str
    urls: tuple[str, ...]
    addresses: tuple[tuple[str, int], ...]
