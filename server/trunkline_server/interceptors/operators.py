"""Operators: over TCP the admin service is for principals whose role is operator, and for nobody else.

The Unix socket needs no such policy: its file lets in the gateway's own user alone.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trunkline_server.core.call import Call
from trunkline_server.core.errors import PermissionDenied
from trunkline_server.core.principal import Role


class OperatorsOnly:
    """Stands inside of the policy that proves who calls. `is_open` names the methods that are for everyone."""

    def __init__(self, is_open: Callable[[str], bool]) -> None:
        self._is_open = is_open

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise PermissionDenied."""
        if not self._is_open(call.method) and (call.principal is None or call.principal.role is not Role.OPERATOR):
            raise PermissionDenied("this is for operators; use a key that was made with --role operator")
        yield
