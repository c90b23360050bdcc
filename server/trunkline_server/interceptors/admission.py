"""Admission: a worker runs at most so many calls at a time, and refuses the next at once.

The bound lies below the transport's own, whose refusals carry no details. A refused call has started nothing.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from trunkline_server.core.call import Call
from trunkline_server.core.errors import Overloaded

RETRY_FROM_S: Final = 0.05
RETRY_TO_S: Final = 0.25
NOT_COUNTED: Final = "/grpc.health."
"""Health answers when the gateway is full, too, and bounds its watchers itself."""


class Admission:
    """Counts the calls that run."""

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._running = 0

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise Overloaded at the bound."""
        if call.method.startswith(NOT_COUNTED):
            yield
            return
        if self._running >= self._max_calls:
            raise Overloaded(
                f"the gateway runs {self._max_calls} calls already; call again in a moment",
                # Jitter, so that those refused together do not come back together.
                retry_after_s=random.uniform(RETRY_FROM_S, RETRY_TO_S),  # noqa: S311 - nothing secret about it
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
