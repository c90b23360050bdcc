"""Errors: whatever happens inside becomes one ending.

1. A GatewayError becomes a status with details; anything unforeseen becomes INTERNAL, and its text stays home.
2. A cancellation that nobody asked for becomes INTERNAL too: left alone, it would leave the caller without a status.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trunkline_server.core.call import Call
from trunkline_server.core.ending import CallEnded, ending, foreseen
from trunkline_server.core.errors import InternalFault
from trunkline_server.core.faults import FaultLog


class Errors:
    """The outermost policy."""

    def __init__(self, faults: FaultLog, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._clock = clock

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise CallEnded for every exception that comes out of the call."""
        try:
            yield
        except CallEnded:
            raise
        except BaseException as error:
            task = asyncio.current_task()
            cancelling = task is not None and task.cancelling() > 0
            failure = foreseen(error, call, now=self._clock(), cancelling=cancelling)
            if isinstance(failure, InternalFault):
                self._faults.seen(error, call)
            raise CallEnded(ending(failure, call)) from error
