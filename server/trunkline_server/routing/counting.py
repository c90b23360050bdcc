"""Says how many input tokens a request would have: by the provider where it counts, else by estimate.

A provider that fails to count does not fail the call: the estimate says that it is one, and the log why.
"""

import math

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import GatewayError, UpstreamError
from trunkline_server.core.estimate import input_tokens
from trunkline_server.core.http import HttpRequest
from trunkline_server.routing.capable import refuse_incapable
from trunkline_server.routing.exchange import Exchange
from trunkline_server.routing.retry import ELSEWHERE
from trunkline_server.routing.trail import attempt
from trunkline_server.routing.tries import Planner, Tries


class _NotCounted(Exception):
    """The provider of this deployment does not count."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self.deployment = deployment


class TokenCounter:
    """Serves every count of a worker."""

    def __init__(self, planner: Planner, exchange: Exchange) -> None:
        self._planner = planner
        self._exchange = exchange

    async def count(self, request: v1.CompleteRequest, call: Call) -> v1.CountTokensResponse:
        """The count for the deployment that would be asked first. Raises a GatewayError."""

        def encode(deployment: Deployment) -> HttpRequest:
            return self._encoded(request, deployment)

        first: Deployment | None = None
        try:
            tries = self._planner.tries(request, call, encode)
            first = tries.deployment
            return await self._ask(tries, call)
        except _NotCounted as missing:
            return _estimate(request, first or missing.deployment)
        except (UpstreamError, *ELSEWHERE):
            if first is None:
                raise
            return _estimate(request, first)

    def _encoded(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        refuse_incapable(request, deployment.capability)
        dialect = self._exchange.dialect(deployment)
        try:
            counts = deployment.capability is None or deployment.capability.counts_tokens is not False
            if dialect.counting is not None and counts:
                return dialect.counting.encode(request, deployment)
        except CountingMissing:
            pass
        dialect.encode(request, deployment, stream=False)  # what could not be sent is not worth an estimate
        raise _NotCounted(deployment)

    async def _ask(self, tries: Tries, call: Call) -> v1.CountTokensResponse:
        while True:
            try:
                return await self._ask_once(tries.deployment, tries.http, call)
            except GatewayError as error:
                await tries.after(error)

    async def _ask_once(self, deployment: Deployment, http: HttpRequest, call: Call) -> v1.CountTokensResponse:
        with attempt(call, deployment, http, self._exchange.clock) as trying:
            idle_s = self._exchange.limits.idle_s
            body = await self._exchange.whole(deployment, http, trying, until=math.inf, idle_s=idle_s)
            counting = self._exchange.dialect(deployment).counting
            assert counting is not None  # noqa: S101 - it has made the request
            return counting.decode(body, deployment)


def _estimate(request: v1.CompleteRequest, deployment: Deployment) -> v1.CountTokensResponse:
    return v1.CountTokensResponse(
        input_tokens=input_tokens(request),
        source=v1.USAGE_SOURCE_ESTIMATED,
        served_model=deployment.upstream_model,
    )
