"""A wire between a client and a gateway that a test can cut, take away and bring back."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self


class Relay:
    """Listens on a Unix socket and carries bytes to `target`, host:port, and back."""

    def __init__(self, path: Path, target: str) -> None:
        self.target = f"unix:{path}"
        self._path = path
        self._host, _, self._port = target.rpartition(":")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_unix_server(self._carry, self._path)

    async def cut(self) -> None:
        """Break all connections, as the death of a process does, and take no new ones."""
        if self._server is not None:
            self._server.close()
            self._path.unlink()
            self._server = None
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far, on = await asyncio.open_connection(self._host, int(self._port))
        ends = {back, on}
        self._ends |= ends
        try:
            await asyncio.gather(_pump(near, on), _pump(far, back))
        finally:
            self._ends -= ends


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.transport.abort()
