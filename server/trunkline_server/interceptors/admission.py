"""Admission: a worker runs at most so many calls at a time, and refuses the next at once.

The bound lies below the transport's own, whose refusals carry no details. A refused call has started nothing.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from trunkline_server.core.call import Call
from trunkline_server.core.calls import Calls, is_counted
from trunkline_server.core.errors import Overloaded

RETRY_FROM_S: Final = 0.05
RETRY_TO_S: Final = 0.25


class Admission:
    """Refuses calls while the registry is full. The call in question is in it already."""

    def __init__(self, calls: Calls, max_calls: int) -> None:
        self._calls = calls
        self._max_calls = max_calls

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise Overloaded at the bound."""
        if is_counted(call) and self._calls.counted > self._max_calls:
            raise Overloaded(
                f"the gateway runs {self._max_calls} calls already; call again in a moment",
                # Jitter, so that those refused together do not come back together.
                retry_after_s=random.uniform(RETRY_FROM_S, RETRY_TO_S),  # noqa: S311 - nothing secret about it
            )
        yield
