"""A network cable that can be pulled: a TCP relay on loopback, for the demo and for tests.

While it is cut, no byte passes and nobody is told, as with a real cable: open connections stall and new ones get no
answer. When it heals, what was stalled goes on.
"""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024


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

    def plug(self) -> None:
        """Mends the cable."""
        self._loop.call_soon_threadsafe(self._whole.set)

    async def _listen(self) -> asyncio.Server:
        self._whole.set()
        return await asyncio.start_server(self._accept, self._host, 0)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        except OSError:
            writer.close()
            return
        pumps = [self._pump(reader, far_writer), self._pump(far_reader, writer)]
        try:
            await asyncio.wait([asyncio.ensure_future(p) for p in pumps], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for side in (writer, far_writer):
                side.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._whole.wait()
                writer.write(chunk)
                await writer.drain()
