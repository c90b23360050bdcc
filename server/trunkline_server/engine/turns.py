"""Turns: requests that take long to read are read one after another, and other calls are served between them.

1. Reading, checking and translating a request is one step, in which a worker does nothing else: a millisecond for most,
   up to half a second for the worst. In one round of the event loop at most ROUND_BYTES of requests above SMALL_BYTES
   go through that step, or a single larger one. A round of hundreds would hold up all calls, and the heartbeat too.
2. After a round longer than LONG_S they pause for as long, at most MOST_PAUSE_S: half of the time is for others.
3. Connections take turns, so that a caller with many waits behind one request of each other, not behind all of one.
4. Small requests never wait. How many wait is bounded by the number of calls; each waits within its deadline.
"""

import asyncio
from collections import deque
from typing import Final

SMALL_BYTES: Final = 4 * 1024
ROUND_BYTES: Final = 16 * 1024
LONG_S: Final = 0.05
MOST_PAUSE_S: Final = 1.0

_Waiting = tuple[asyncio.Future[None], int]


class Turns:
    """Lets requests through. Used from one event loop. repr: "3 connections wait"."""

    def __init__(self) -> None:
        self._left = ROUND_BYTES
        self._began: float | None = None
        """When this round began; None while nothing has gone through in it."""
        self._waiting: dict[str, deque[_Waiting]] = {}
        """By connection, the one whose turn is next first."""

    async def take(self, size: int, peer: str) -> None:
        """Return when a request of that size may be read, which is to be done without waiting for anything else."""
        if size <= SMALL_BYTES:
            return
        if self._left > 0 and not self._waiting:
            self._let_through(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(peer, deque()).append((turn, size))
        await turn

    def _let_through(self, size: int) -> None:
        self._left -= size
        if self._began is None:
            loop = asyncio.get_running_loop()
            self._began = loop.time()
            loop.call_soon(self._end_round)

    def _end_round(self) -> None:
        """All that went through in this round has been read."""
        loop = asyncio.get_running_loop()
        took = loop.time() - (self._began or loop.time())
        if took > LONG_S:
            loop.call_later(min(took, MOST_PAUSE_S), self._next_round)
        else:
            self._next_round()

    def _next_round(self) -> None:
        self._left, self._began = ROUND_BYTES, None
        through = []
        while self._waiting and self._left > 0:
            turn, size = self._next()
            if not turn.done():  # else its call has ended
                self._left -= size
                through.append(turn)
        for turn in through:
            turn.set_result(None)
        if through:
            self._let_through(0)  # after the tasks that were just woken

    def _next(self) -> _Waiting:
        peer, those = next(iter(self._waiting.items()))
        del self._waiting[peer]
        first = those.popleft()
        if those:
            self._waiting[peer] = those
        return first

    def __repr__(self) -> str:
        return f"<Turns: {len(self._waiting)} connections wait>"
