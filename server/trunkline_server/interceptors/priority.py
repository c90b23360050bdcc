"""Priority: as a worker fills up, calls of the lowest class are refused first, at once.

1. Each class may fill its share of the worker's calls (core.principal.SHARES); what is left is for those above it.
2. This stands inside of Auth, which says whose call it is, and the bound on all calls outside of it: so a flood of
   callers without proof is refused before anything is proven, and takes no more places than there are.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from trunkline_server.core.call import Call
from trunkline_server.core.calls import Calls, is_counted
from trunkline_server.core.errors import Overloaded
from trunkline_server.core.principal import SHARES

_NOTHING: Final[AbstractAsyncContextManager[None]] = nullcontext()


class Priorities:
    """Refuses calls whose class has filled its share. The call in question is in the registry already."""

    def __init__(self, calls: Calls, *, max_calls: int) -> None:
        self._calls = calls
        self._most = {priority: max(1, int(max_calls * share)) for priority, share in SHARES.items()}

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Raise Overloaded where the class is full."""
        if call.principal is not None and is_counted(call):
            most = self._most[call.principal.priority]
            if self._calls.counted > most:
                raise Overloaded(f"the gateway runs {most} calls, all that it takes of this priority; call again soon")
        return _NOTHING
