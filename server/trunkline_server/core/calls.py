"""The registry of a worker's open calls."""

import asyncio
from typing import Final

from trunkline_server.core.call import Call
from trunkline_server.core.places import UNIX, PerPeer

NOT_COUNTED: Final = "/grpc.health."
"""Health answers when the gateway is full, too, and bounds its watchers itself."""


class Calls:
    """The open calls of a worker: each from its first moment until its ending has left. repr: "3 open"."""

    def __init__(self) -> None:
        self._open: set[Call] = set()
        self._counted = 0
        self._by_peer = PerPeer()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def counted(self) -> int:
        """Open calls that count against the worker's bound."""
        return self._counted

    def counted_of(self, peer: str) -> int:
        """Those of one connection. 0 on a Unix socket, where connections can't be told apart."""
        return self._by_peer.of(peer)

    def add(self, call: Call) -> None:
        """A call begins."""
        self._open.add(call)
        if is_counted(call):
            self._counted += 1
            if not call.peer.startswith(UNIX):
                self._by_peer.add(call.peer)
        self._idle.clear()

    def discard(self, call: Call) -> None:
        """A call has ended, its clean-up included."""
        self._open.discard(call)
        if is_counted(call):
            self._counted -= 1
            self._by_peer.discard(call.peer)
        if not self._open:
            self._idle.set()

    async def all_ended(self) -> None:
        """Return when no call is open."""
        await self._idle.wait()

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"Calls({len(self._open)} open)"


def is_counted(call: Call) -> bool:
    """Whether a call counts against the bound."""
    return not call.method.startswith(NOT_COUNTED)
