"""Admission: a worker runs at most so many calls at a time, one connection at most so many of them.

1. What is more is refused at once, with a delay after which to call again. A refused call has started nothing.
2. Both bounds lie below the transport's own, whose refusals carry no details.
3. On a Unix socket connections have no names, so that only the bound on all holds there; the file's mode says who
   may connect.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trunkline_server.core.call import Call
from trunkline_server.core.calls import Calls, is_counted
from trunkline_server.core.errors import Overloaded


class Admission:
    """Refuses calls while the registry is full. The call in question is in it already."""

    def __init__(self, calls: Calls, *, max_calls: int, max_calls_per_connection: int) -> None:
        self._calls = calls
        self._max_calls = max_calls
        self._max_calls_per_connection = max_calls_per_connection

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise Overloaded at a bound."""
        if is_counted(call):
            self._admit(call)
        yield

    def _admit(self, call: Call) -> None:
        if self._calls.counted > self._max_calls:
            raise Overloaded(f"the gateway runs {self._max_calls} calls already; call again in a moment")
        if self._calls.counted_of(call.peer) > self._max_calls_per_connection:
            raise Overloaded(
                f"this connection runs {self._max_calls_per_connection} calls already; open another, or call again"
            )
