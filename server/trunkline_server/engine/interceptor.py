"""A policy as a gRPC interceptor."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from trunkline_server.core.policy import Policy
from trunkline_server.engine.handlers import CALL, Context, Handler, behaviour_of, with_behaviour


class PolicyInterceptor(grpc.aio.ServerInterceptor):
    """Stands a policy around the handler of every method."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler with the policy around it. Nothing is decided here: the call is not admitted yet."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        inner = behaviour_of(handler)
        around = self._policy.around

        async def behave(requests: Any, context: Context) -> None:
            async with around(CALL.get()):
                await inner(requests, context)

        return with_behaviour(behave)
