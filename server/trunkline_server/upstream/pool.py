"""What is known of one endpoint: how many answers are open, who waits for a turn, which connections lie idle.

Decides only; the client does what it says.
"""

import asyncio
import math
from collections import deque

from trunkline_server.core.errors import Overloaded
from trunkline_server.core.http import Endpoint
from trunkline_server.upstream.connection import Connection
from trunkline_server.upstream.limits import UpstreamLimits
from trunkline_server.upstream.proxies import Proxy

RETRY_AFTER_S = 0.5
"""What a caller is told to wait when too many wait already: calls end all the time."""


class Lane:
    """The traffic to one endpoint. `enter` and `leave` come in pairs."""

    __slots__ = ("_limits", "active", "endpoint", "idle", "proxy", "waiting")

    def __init__(self, limits: UpstreamLimits, endpoint: Endpoint, proxy: Proxy | None) -> None:
        self._limits = limits
        self.endpoint = endpoint
        self.proxy = proxy
        self.active = 0
        self.idle: list[Connection] = []
        """The one used last is the last: it is taken first, so that those not needed grow old. Some may be dead."""
        self.waiting: deque[asyncio.Future[None]] = deque()

    @property
    def unused(self) -> bool:
        """Whether nothing is lost when it is forgotten."""
        return not (self.active or self.idle or self.waiting)

    def enter(self) -> bool:
        """Take a place. False if there is none."""
        if self.active >= self._limits.max_connections_per_endpoint:
            return False
        self.active += 1
        return True

    async def wait_to_enter(self, until: float) -> None:
        """Wait for a place, in the order of arrival. Raises TimeoutError at `until`, Overloaded if too many wait."""
        if len(self.waiting) >= self._limits.max_waiting_per_endpoint:
            raise Overloaded(
                "all connections to the provider are in use and too many calls wait for one; try later",
                retry_after_s=RETRY_AFTER_S,
            )
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout_at(None if until == math.inf else until):  # uvloop takes no infinite time
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # The place came together with the end of the waiting: it goes to the next.
            elif turn in self.waiting:
                self.waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Hand the place to whoever has waited longest, so that no newcomer can slip in; free it if nobody waits."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.active -= 1

    def take_idle(self, now: float) -> Connection | None:
        """The idle connection used last, if it is young enough and alive as far as known."""
        while self.idle:
            connection = self.idle.pop()
            if connection.usable and now - connection.idle_since < self._limits.max_idle_s:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> bool:
        """Put a connection aside for later. False if there are enough."""
        if len(self.idle) >= self._limits.max_idle_per_endpoint:
            self.idle = [each for each in self.idle if each.usable]
        if len(self.idle) >= self._limits.max_idle_per_endpoint:
            return False
        self.idle.append(connection)
        return True

    def take_old(self, now: float) -> list[Connection]:
        """The idle connections that have come of age."""
        count = sum(now - connection.idle_since >= self._limits.max_idle_s for connection in self.idle)
        old, self.idle = self.idle[:count], self.idle[count:]
        return old
