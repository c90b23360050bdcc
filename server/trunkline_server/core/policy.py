"""What stands around every call: an interceptor as gRPC knows it, without gRPC."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from trunkline_server.core.call import Call


class Policy(Protocol):
    """One idea that holds around a call, unary and streaming alike.

    What comes before the `yield` of `around` may refuse the call by raising; what comes after it runs on every
    outcome, cancel included, and never awaits.
    """

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Open before the call goes on, close when it has ended."""
        ...
