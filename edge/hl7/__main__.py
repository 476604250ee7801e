"""`python -m edge.hl7 CHANNEL [LISTENING URL]…`: the HL7 driver's process; the gateway starts it (`child_driver`)."""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from typing import Any, Final

from edge.devices.listener import parse
from vitals.runtime.daemon import log_json

log = logging.getLogger("edge.hl7")
_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> int:
    """Runs the driver; returns its exit status."""
    log_json("edge.hl7")
    # A gateway that is killed leaves no process that holds its ports, not even a stopped one.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The gateway ends this process by closing the socket, after its last decisions.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        from edge.hl7.server import Server  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        log.error("driver cannot start: %s; install the extra hl7 of wardwatch", error)
        return 2
    channel = socket.socket(fileno=int(arguments[0]))
    pairs = zip(arguments[1::2], arguments[2::2], strict=True)
    listeners = [(socket.socket(fileno=int(number)), parse(url)) for number, url in pairs]
    asyncio.run(_serve(Server(listeners, channel)))
    return 0


async def _serve(server: Any) -> None:  # noqa: ANN401 - its module is imported late
    asyncio.get_running_loop().set_exception_handler(_failed)
    await server.run()
    # The gateway has all there is to keep; connections end with the process, without an answer.
    os._exit(0)


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Ends the process if it is out of memory: the gateway starts a new one."""
    if isinstance(context.get("exception"), MemoryError):
        os._exit(3)
    loop.default_exception_handler(context)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
