"""Intake: how much of callers' requests a worker holds, in bytes.

gRPC hands over whole messages and does not tell how much of one is there. So what is bounded is what can be known:

1. A request that is not whole SLOW_AFTER_S after its call was let in needs one of `max_slow` places, each of which may
   fill up to the bound on a message. Where none is free it is refused, so that half-sent bodies can't fill the memory.
   One connection gets a quarter of the places.
2. Whole requests above FREE_BYTES count with their size until their call has ended. One that does not fit beside the
   others in `max_held_bytes`, or in its priority's share of it, is refused. Smaller ones are bounded by the number of
   calls, and are never kept out by large ones.
3. Every refusal is Overloaded: nothing was started, and a repeat may pass.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from trunkline_server.core.errors import DeadlineExceeded, Overloaded
from trunkline_server.core.places import Places
from trunkline_server.engine.turns import Turns

Read = Callable[[], Awaitable[bytes | None]]

SLOW_AFTER_S: Final = 1.0
RECEIVE_S: Final = 30.0
"""Longest wait for a request to come in whole."""
FREE_BYTES: Final = 64 * 1024
"""What the transport takes in of a request before anybody asks for it."""


class Intake:
    """Reads the requests of one server. repr: "3 slow, 1048576 of 536870912 bytes"."""

    def __init__(self, *, max_slow: int, max_held_bytes: int) -> None:
        self._slow = Places("requests that come in slowly", in_all=max_slow, per_connection=max(1, max_slow // 4))
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0
        self.turns = Turns()
        """Which of the whole ones may be read now."""

    async def whole(self, read: Read, peer: str) -> bytes | None:
        """What `read` gives, in time. Raises DeadlineExceeded and Overloaded."""
        arrival = _Arrival(self._slow, peer)
        try:
            async with asyncio.timeout(None) as limit:
                # One timer for both limits: most requests are whole before either, and timers cost more than counts.
                timer = asyncio.get_running_loop().call_later(SLOW_AFTER_S, arrival.late, limit)
                try:
                    return await read()
                finally:
                    timer.cancel()
                    arrival.end()
        except TimeoutError as error:
            if arrival.refusal is not None:
                raise arrival.refusal from error
            raise DeadlineExceeded(f"the request did not come in whole within {RECEIVE_S:.0f} s") from error

    @contextmanager
    def held(self, size: int, share: float = 1.0) -> Iterator[None]:
        """Count a whole request for as long as the context is open. Raises Overloaded.

        `share`: how much of the bound requests of its priority may fill. One that is alone may fill it all.
        """
        counted = size if size > FREE_BYTES else 0
        most = self._max_held_bytes * (share if self._held_bytes else 1.0)
        if counted and self._held_bytes + counted > most:
            raise Overloaded(
                f"the gateway holds requests of {self._held_bytes} bytes, and {size} more are above its bound;"
                " call again in a moment"
            )
        self._held_bytes += counted
        try:
            yield
        finally:
            self._held_bytes -= counted

    def __repr__(self) -> str:
        return f"<Intake: {self._slow!r}, {self._held_bytes} of {self._max_held_bytes} bytes>"


class _Arrival:
    """One request that comes in: quickly, in a place for slow ones, or not at all."""

    __slots__ = ("_peer", "_places", "_taken", "refusal")

    def __init__(self, places: Places, peer: str) -> None:
        self._places = places
        self._peer = peer
        self._taken = False
        self.refusal: Overloaded | None = None

    def late(self, limit: asyncio.Timeout) -> None:
        """It is not quick: take a place and wait on, or end the wait."""
        now = asyncio.get_running_loop().time()
        self.refusal = self._places.full(self._peer)
        if self.refusal is None:
            self._places.take(self._peer)
            self._taken = True
            limit.reschedule(now + RECEIVE_S - SLOW_AFTER_S)
        else:
            limit.reschedule(now)

    def end(self) -> None:
        """It is whole, or given up."""
        if self._taken:
            self._places.give_back(self._peer)
