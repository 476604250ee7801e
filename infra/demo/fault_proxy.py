"""A network cable that can be pulled, squeezed or refused: a TCP relay on loopback, for the demo, storms and tests.

While it is cut, no byte passes and nobody is told, as with a real cable: open connections stall and new ones get no
answer. When it heals, what was stalled goes on. A slow one passes so many bytes a second. One that refuses ends every
connection and takes none, as where nobody listens. One may also break just after a request has been done and before its
answer has come back.
"""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024
SLOW_CHUNK_BYTES = 2 * 1024
"""On a slow cable pieces are small, so that it is slow for what is short as well."""


class Relay:
    """Relays TCP connections from a free port on loopback to `target`.

    Attributes:
        port: The port to connect to.
    """

    def __init__(self, target: int, *, host: str = "127.0.0.1") -> None:
        self._target = target
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._bytes_per_s: float | None = None
        self._losing: tuple[bytes, bytes] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    @property
    def cut(self) -> bool:
        """Whether the cable is pulled."""
        return not self._whole.is_set()

    def pull(self) -> None:
        """Cuts the cable."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def slow(self, bytes_per_s: float) -> None:
        """Lets so many bytes a second pass, each way of each connection."""
        self._bytes_per_s = bytes_per_s

    def refuse(self) -> None:
        """Ends every connection, and takes no other."""
        self._refusing = True
        self._loop.call_soon_threadsafe(self._hang_up)

    def lose_answer(self, request: bytes, answer: bytes) -> None:
        """Ends the connection instead of passing on `answer`, once, when `request` has been asked on it before."""
        self._losing = request, answer

    @property
    def lost(self) -> bool:
        """Whether the answer that was to be lost has been lost, or none was to be."""
        return self._losing is None

    def plug(self) -> None:
        """Mends the cable, whatever was done to it."""
        self._refusing, self._bytes_per_s = False, None
        self._loop.call_soon_threadsafe(self._whole.set)

    async def _listen(self) -> asyncio.Server:
        self._whole.set()
        return await asyncio.start_server(self._accept, self._host, 0)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        except (OSError, asyncio.CancelledError):
            writer.close()
            return
        asked = asyncio.Event()
        ways = [(reader, far_writer), (far_reader, writer)]
        pumps = [self._loop.create_task(self._pump(*way, asked, back=way[1] is writer)) for way in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return
        finally:
            for pump, side in zip(pumps, (writer, far_writer), strict=True):
                pump.cancel()
                if self._refusing:
                    # What waits to be sent is not: nobody is there to take it.
                    side.transport.abort()
                side.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event, *, back: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(SLOW_CHUNK_BYTES if self._bytes_per_s else CHUNK_BYTES):
                await self._whole.wait()
                if self._bytes_per_s:
                    await asyncio.sleep(len(chunk) / self._bytes_per_s)
                if self._losing and not back and self._losing[0] in chunk:
                    asked.set()
                if self._losing and back and asked.is_set() and self._losing[1] in chunk:
                    self._losing = None
                    return
                writer.write(chunk)
                await writer.drain()
