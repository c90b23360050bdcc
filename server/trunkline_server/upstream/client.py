"""Requests over pooled connections, and the answers to them.

1. A pooled connection that the provider had closed meanwhile is replaced unnoticed: once, only if no byte of an answer
   came, and only if it broke within STALE_WITHIN_S. Nothing else is ever sent twice.
2. Redirects are not followed: a 3xx is a status like any other.
3. No task and no thread per request. One timer per worker closes connections that lie idle.
"""

import asyncio
import math
from collections.abc import Mapping
from functools import partial
from typing import Self

from trunkline_server.core.addresses import AddressPolicy
from trunkline_server.core.errors import UpstreamUnreachable
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.upstream.addresses import Resolver
from trunkline_server.upstream.connection import RECEIVE_SIZE, Connection
from trunkline_server.upstream.dial import Dialer
from trunkline_server.upstream.limits import UpstreamLimits
from trunkline_server.upstream.pool import Lane
from trunkline_server.upstream.proxies import Proxies
from trunkline_server.upstream.request_head import encode_head

STALE_WITHIN_S = 0.5
"""A connection that was closed before our request came breaks within a round trip. One that breaks later may have
carried the request to a provider that worked on it, and who pays for that is the router's question."""


class UpstreamResponse:
    """One answer: its head is there, its body comes by `read`. Use it with `with`, or call `close`."""

    __slots__ = ("_client", "_connection", "_lane", "headers", "status")

    def __init__(self, client: "Upstream", lane: Lane, connection: Connection) -> None:
        self._client = client
        self._lane = lane
        self._connection: Connection | None = connection
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers
        """Names in lower case; doubled ones joined by ", "."""

    async def read(self, *, until: float = math.inf) -> bytes:
        """What has come since the last read, at most 16 KiB; waits if nothing has. b"" at the end of a whole body.

        Raises TimeoutError at `until` (loop.time() seconds; the answer can still be read then), UpstreamBroken if the
        body was cut, UpstreamMalformed if it is no HTTP. One reader at a time. If it is cancelled, the connection is
        closed at once.
        """
        if self._connection is None:
            raise RuntimeError("the answer is closed")
        return await self._connection.read(until)

    def finish(self) -> None:
        """Give the answer up because all that matters of it is here: nothing can be read from it any more.

        What is left of the body, mostly the empty chunk at its end, is awaited for a moment without anyone waiting
        for it, so that the connection can be used again. `close` after it does nothing.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client._finish(self._lane, connection)

    def close(self) -> None:
        """Give the connection back if the body is whole, else abort it at once. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client._release(self._lane, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"UpstreamResponse({self.status}{', closed' if self._connection is None else ''})"


class Upstream:
    """The upstream client of one worker. Make it in the running loop.

    `allowed_addresses` are addresses and networks that are connected to although they are link-local or a metadata
    service. `proxies` is an environment, of which HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count. `ca_file`
    holds certificates to trust beside the system's. Raises ValueError or OSError if one of them is wrong.
    """

    def __init__(
        self,
        limits: UpstreamLimits | None = None,
        *,
        allowed_addresses: tuple[str, ...] = (),
        proxies: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._limits = limits or UpstreamLimits()
        self._loop = asyncio.get_running_loop()
        self._proxies = Proxies(proxies or {})
        self._buffer = memoryview(bytearray(RECEIVE_SIZE))
        self._lanes: dict[Endpoint, Lane] = {}
        self._dialer = Dialer(self._limits, Resolver(AddressPolicy(allowed_addresses)), ca_file, self._connection)
        self._sweeper: asyncio.TimerHandle | None = None
        self._lingering: set[Connection] = set()
        """Of answers that were finished, and whose last bytes are awaited; each for a moment only."""
        self._closed = False

    async def open(self, request: HttpRequest, *, until: float = math.inf) -> UpstreamResponse:
        """Send the request and wait for the head of the answer, whatever its status.

        Raises UpstreamUnreachable (nothing came), UpstreamBroken (cut inside the head), UpstreamMalformed (no HTTP, or
        beyond a bound), Overloaded (too many wait for a connection to this endpoint; nothing was sent), TimeoutError
        when `until` (loop.time() seconds) passes, ValueError for a head that could not be sent as it is. Whatever it
        raises, also on cancellation, the connection is closed at once.
        """
        lane = self._lanes.get(request.endpoint) or self._new_lane(request.endpoint)
        if not lane.enter():
            await lane.wait_to_enter(until)
        try:
            return await self._open(lane, request, until)
        except BaseException:
            self._leave(lane)
            raise

    def close(self) -> None:
        """Close the connections that nobody reads from. Open answers go on; none is kept for later from now on."""
        self._closed = True
        for connection in tuple(self._lingering):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._close_old(math.inf)

    def __repr__(self) -> str:
        lanes = self._lanes.values()
        active = sum(lane.active for lane in lanes)
        waiting = sum(len(lane.waiting) for lane in lanes)
        idle = sum(connection.usable for lane in lanes for connection in lane.idle)
        return f"Upstream({active} active, {waiting} waiting, {idle} idle)"

    async def _open(self, lane: Lane, request: HttpRequest, until: float) -> UpstreamResponse:
        head = _head(request, lane)
        connection = lane.take_idle(self._loop.time())
        if connection is not None:
            sent_at = self._loop.time()
            try:
                return await self._exchange(lane, connection, head, request.body, until)
            except UpstreamUnreachable:
                if self._loop.time() - sent_at > STALE_WITHIN_S:
                    raise
        connection = await self._dialer.dial(lane.endpoint, lane.proxy, until)
        return await self._exchange(lane, connection, head, request.body, until)

    async def _exchange(
        self, lane: Lane, connection: Connection, head: bytes, body: bytes, until: float
    ) -> UpstreamResponse:
        connection.send(head, body)
        try:
            await connection.wait_for_head(until)
        except BaseException:
            connection.abort()
            raise
        return UpstreamResponse(self, lane, connection)

    def _new_lane(self, endpoint: Endpoint) -> Lane:
        lane = self._lanes[endpoint] = Lane(self._limits, endpoint, self._proxies.find(endpoint))
        return lane

    def _connection(self) -> Connection:
        return Connection(self._loop, self._buffer, self._limits.max_header_bytes)

    def _finish(self, lane: Lane, connection: Connection) -> None:
        self._lingering.add(connection)
        if not connection.linger(partial(self._release, lane, connection)):
            self._release(lane, connection)

    def _release(self, lane: Lane, connection: Connection) -> None:
        """Take back the connection of an answer that was closed."""
        self._lingering.discard(connection)
        if connection.recycle(self._loop.time()):
            if self._closed or not lane.keep(connection):
                connection.abort()
            elif self._sweeper is None:
                self._sweeper = self._loop.call_later(self._limits.max_idle_s, self._sweep)
        self._leave(lane)

    def _leave(self, lane: Lane) -> None:
        lane.leave()
        if lane.unused:
            self._lanes.pop(lane.endpoint, None)

    def _sweep(self) -> None:
        """Close what has lain idle for too long, and come again when the next is due."""
        self._close_old(self._loop.time())
        since = min((lane.idle[0].idle_since for lane in self._lanes.values() if lane.idle), default=None)
        due = None if since is None else since + self._limits.max_idle_s
        self._sweeper = None if due is None else self._loop.call_at(due, self._sweep)

    def _close_old(self, now: float) -> None:
        for lane in list(self._lanes.values()):
            for connection in lane.take_old(now):
                connection.abort()
            if lane.unused:
                del self._lanes[lane.endpoint]


def _head(request: HttpRequest, lane: Lane) -> bytes:
    if lane.proxy is None or lane.endpoint.scheme == "https":
        return encode_head(request)
    return encode_head(request, through_proxy=True, proxy_authorization=lane.proxy.authorization.reveal())
