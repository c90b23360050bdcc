"""Shares a few connections among many calls.

1. A connection carries at most 100 calls. The gateway refuses streams beyond its own limit, so calls are never sent
   in the hope of a place.
2. When all connections are full another is opened, up to 8. Then calls wait, in the order in which they came, within
   their own deadlines; at most 10,000 wait, further ones fail at once with RateLimited.
3. A place that becomes free goes to the call that has waited longest; no newcomer overtakes it.
4. Connections beyond the first that were idle for 60 s are closed when the next call comes.
5. When the certificates change, the connections that are there take no more calls, and each is closed once its last
   call has ended and another comes. While 8 of them are still in use, a further change waits.
6. Which connection a call gets is decided in `decide`, a plain function; the two pools only carry it out.
7. A pool with connections belongs to its process: in a fork of it every call raises RuntimeError, at once.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from trunkline.errors import CLIENT_CLOSED, CLIENT_DOMAIN, Cancelled, DeadlineExceeded, RateLimited

__all__ = ["AsyncPool", "Lease", "Limits", "Pool", "decide"]

T = TypeVar("T")
W = TypeVar("W")


class Limits(NamedTuple):  # a dataclass would cost every program a millisecond
    """Bounds of a pool."""

    calls_per_connection: int = 100
    connections: int = 8
    waiting: int = 10_000
    idle_s: float = 60.0


def decide(calls: Sequence[int], limits: Limits) -> int | None:
    """Index of the connection that the next call gets, given the calls on each; None if it has to wait.

    An index one past the end asks for another connection. The first with room is taken, so that the last ones fall
    idle and can be closed.
    """
    for index, count in enumerate(calls):
        if count < limits.calls_per_connection:
            return index
    return len(calls) if len(calls) < limits.connections else None


class _Shared(Generic[T]):
    """A connection and the calls on it."""

    __slots__ = ("calls", "idle_since", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self.calls = 0
        self.idle_since = 0.0


class _Waiter(Generic[T]):
    """A thread that waits for a place."""

    __slots__ = ("event", "place")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.place: _Shared[T] | None = None


class Lease(Generic[T]):
    """A place on a connection. Giving it back twice changes nothing."""

    __slots__ = ("_give_back", "_shared", "connection")

    def __init__(self, shared: _Shared[T], give_back: Callable[[_Shared[T]], None]) -> None:
        self.connection = shared.value
        self._shared: _Shared[T] | None = shared
        self._give_back = give_back

    def give_back(self, *_: object) -> None:
        """Give the place back. Takes and ignores arguments, so that it can be a callback of a call."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._give_back(shared)

    def __enter__(self) -> T:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.give_back()


class _Ledger(Generic[T, W]):
    """Who has which place and who waits for one. No locks and no clock: the pools bring both."""

    def __init__(self, connect: Callable[[], T], limits: Limits) -> None:
        self._connect = connect
        self.limits = limits
        self.shared: list[_Shared[T]] = []
        self.leaving: list[_Shared[T]] = []
        self.waiters: deque[W] = deque()
        self.closed = False
        self._generation = 0
        self._process = 0

    @property
    def elsewhere(self) -> bool:
        """True in a fork of the process that made the connections; gRPC's threads stayed there."""
        return self._process not in (0, os.getpid())

    def check_process(self) -> None:
        if self.elsewhere:
            raise RuntimeError(
                "this client made its connections before the process forked; make a client in the child, "
                'or start processes with multiprocessing.get_context("spawn")'
            )

    def check_open(self, request_id: str = "") -> None:
        if self.closed:
            raise Cancelled(
                "the client is closed", reason=CLIENT_CLOSED, domain=CLIENT_DOMAIN, request_id=request_id
            ) from None

    def take(self) -> _Shared[T] | None:
        """A place, if there is one and nobody waits for it."""
        self.check_open()
        return None if self.waiters else self.place()

    def place(self) -> _Shared[T] | None:
        """A place, if there is one."""
        index = decide([each.calls for each in self.shared], self.limits)
        if index is None:
            return None
        if index == len(self.shared):
            self._process = os.getpid()
            self.shared.append(_Shared(self._connect()))
        self.shared[index].calls += 1
        return self.shared[index]

    def renew(self, generation: int) -> None:
        """Connections of an earlier generation of certificates take no more calls."""
        if generation > self._generation and len(self.leaving) < self.limits.connections:
            self._generation = generation
            self.leaving.extend(self.shared)
            self.shared = []

    def wait(self, waiter: W) -> None:
        if len(self.waiters) >= self.limits.waiting:
            raise RateLimited(
                f"{len(self.waiters)} calls of this client wait for a connection already; make fewer calls at once",
                reason="CLIENT_POOL_FULL",
                domain=CLIENT_DOMAIN,
            )
        self.waiters.append(waiter)

    def free(self, shared: _Shared[T], now: float) -> None:
        shared.calls -= 1
        shared.idle_since = now

    def retire(self, now: float) -> list[T]:
        """Connections that have been idle for too long; they are the pool's no more."""
        if len(self.shared) <= 1 and not self.leaving:  # as it nearly always is
            return []
        idle = [each for each in self.shared[1:] if each.calls == 0 and now - each.idle_since >= self.limits.idle_s]
        idle += [each for each in self.leaving if each.calls == 0]
        self.shared = [each for each in self.shared if each not in idle]
        self.leaving = [each for each in self.leaving if each.calls]
        return [each.value for each in idle]

    def close(self) -> tuple[list[T], list[W]]:
        """All connections and all who wait."""
        self.closed = True
        connections, waiters = [each.value for each in (*self.leaving, *self.shared)], list(self.waiters)
        for them in (self.leaving, self.shared, self.waiters):
            them.clear()
        return connections, waiters

    def no_place_in_time(self) -> DeadlineExceeded:
        limits = self.limits
        return DeadlineExceeded(
            f"no connection had room before the deadline: {limits.connections} connections carry "
            f"{limits.calls_per_connection} calls each; allow more time or make fewer calls at once",
            reason="CLIENT_POOL_BUSY",
            domain=CLIENT_DOMAIN,
        )

    def __repr__(self) -> str:
        all_of_them = (*self.shared, *self.leaving)
        calls = sum(each.calls for each in all_of_them)
        return f"{calls} calls on {len(all_of_them)} connections, {len(self.waiters)} waiting"


Generation = Callable[[float], int]
"""Counts changes of the certificates, at a moment of time.monotonic(); None where there are none."""


class Pool(Generic[T]):
    """A pool for threads. `connect` and `close` are called by whichever thread needs it."""

    def __init__(
        self,
        connect: Callable[[], T],
        close: Callable[[T], None],
        limits: Limits | None = None,
        generation: Generation | None = None,
    ) -> None:
        self._ledger: _Ledger[T, _Waiter[T]] = _Ledger(connect, limits or Limits())
        self._close = close
        self._generation = generation
        # Reentrant: a garbage collection inside the lock may drop a stream, which gives its place back.
        self._lock = threading.RLock()

    def take(self, deadline: float) -> Lease[T]:
        """A place, before the deadline on the clock of time.monotonic(). Raises DeadlineExceeded or RateLimited."""
        self._ledger.check_process()  # before the lock, which a thread of the parent may have held
        now = time.monotonic()
        generation = self._generation(now) if self._generation else 0
        with self._lock:
            self._ledger.renew(generation)
            retired = self._ledger.retire(now)
            place = self._ledger.take() or self._queue()
        for connection in retired:
            self._close(connection)
        return Lease(self._wait(place, deadline) if isinstance(place, _Waiter) else place, self._give_back)

    def check_open(self, request_id: str) -> None:
        """Raises Cancelled for a call whose connection was closed before it began."""
        self._ledger.check_open(request_id)

    def _queue(self) -> _Waiter[T]:
        waiter = _Waiter[T]()
        self._ledger.wait(waiter)
        return waiter

    def _wait(self, waiter: _Waiter[T], deadline: float) -> _Shared[T]:
        try:
            waiter.event.wait(max(0.0, deadline - time.monotonic()))
        except BaseException:  # a signal's exception: the place may have come all the same
            self._leave(waiter)
            raise
        with self._lock:
            if waiter.place is not None:
                return waiter.place
            if self._ledger.closed:
                raise Cancelled("the client was closed", reason=CLIENT_CLOSED, domain=CLIENT_DOMAIN)
            self._ledger.waiters.remove(waiter)
            raise self._ledger.no_place_in_time()

    def _leave(self, waiter: _Waiter[T]) -> None:
        with self._lock:
            if waiter.place is not None:
                self._give_back(waiter.place)
            elif waiter in self._ledger.waiters:
                self._ledger.waiters.remove(waiter)

    def _give_back(self, shared: _Shared[T]) -> None:
        if self._ledger.elsewhere:
            return
        with self._lock:
            self._ledger.free(shared, time.monotonic())
            while self._ledger.waiters and (place := self._ledger.place()):
                waiter = self._ledger.waiters.popleft()
                waiter.place = place
                waiter.event.set()

    def close(self) -> None:
        """Close all connections; calls on them and calls that wait fail with Cancelled. Does nothing in a fork."""
        if self._ledger.elsewhere:
            return
        with self._lock:
            connections, waiters = self._ledger.close()
        for waiter in waiters:
            waiter.event.set()
        for connection in connections:
            self._close(connection)

    def __repr__(self) -> str:
        return repr(self._ledger)


class AsyncPool(Generic[T]):
    """A pool for the tasks of one event loop."""

    def __init__(
        self, connect: Callable[[], T], limits: Limits | None = None, generation: Generation | None = None
    ) -> None:
        self._ledger: _Ledger[T, asyncio.Future[_Shared[T]]] = _Ledger(connect, limits or Limits())
        self._generation = generation
        self._loop: asyncio.AbstractEventLoop | None = None

    def retire(self) -> list[T]:
        """Connections that have been idle for too long, or whose certificates changed. The caller closes them."""
        self._ledger.check_process()
        now = time.monotonic()
        self._ledger.renew(self._generation(now) if self._generation else 0)
        return self._ledger.retire(now)

    async def take(self, deadline: float) -> Lease[T]:
        """A place, before the deadline on the clock of time.monotonic(). Raises DeadlineExceeded or RateLimited."""
        self._check_loop()
        shared = self._ledger.take()
        return Lease(shared or await self._wait(deadline), self._give_back)

    def check_open(self, request_id: str) -> None:
        """Raises Cancelled for a call whose connection was closed before it began."""
        self._ledger.check_open(request_id)

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("an AsyncClient serves the event loop that used it first; make one per loop")

    async def _wait(self, deadline: float) -> _Shared[T]:
        turn: asyncio.Future[_Shared[T]] = asyncio.get_running_loop().create_future()
        self._ledger.wait(turn)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await turn
        except BaseException as stopped:
            self._leave(turn)
            if isinstance(stopped, TimeoutError):
                raise self._ledger.no_place_in_time() from None
            raise

    def _leave(self, turn: asyncio.Future[_Shared[T]]) -> None:
        if turn in self._ledger.waiters:
            self._ledger.waiters.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self._give_back(turn.result())

    def _give_back(self, shared: _Shared[T]) -> None:
        self._ledger.free(shared, time.monotonic())
        while self._ledger.waiters and (place := self._next_place()):
            self._ledger.waiters.popleft().set_result(place)

    def _next_place(self) -> _Shared[T] | None:
        """A place for the one who has waited longest; those who gave up are passed over."""
        while self._ledger.waiters and self._ledger.waiters[0].done():
            self._ledger.waiters.popleft()
        return self._ledger.place() if self._ledger.waiters else None

    def close(self) -> list[T]:
        """All connections, for the caller to close; calls that wait fail with Cancelled. None in a fork."""
        if self._ledger.elsewhere:
            return []
        connections, waiters = self._ledger.close()
        for turn in waiters:
            if not turn.done():
                turn.set_exception(Cancelled("the client was closed", reason=CLIENT_CLOSED, domain=CLIENT_DOMAIN))
        return connections

    def __repr__(self) -> str:
        return repr(self._ledger)
