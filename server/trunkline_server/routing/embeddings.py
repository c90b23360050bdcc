"""Takes embeddings to deployments and brings back their vectors.

1. A batch that is more than a provider takes at once is asked for in parts, PARTS_AT_ONCE at a time. It comes back
   whole and in order, or fails as a whole.
2. A failed attempt is followed by another, within the deadline: nothing was handed on before.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Embeddings
from trunkline_server.core.errors import CapabilityMissing, FieldViolation, GatewayError, UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.routing.capable import refuse_unembeddable
from trunkline_server.routing.exchange import Exchange
from trunkline_server.routing.trail import Attempt, attempt
from trunkline_server.routing.tries import Planner
from trunkline_server.routing.usage import add_usage

PARTS_AT_ONCE: Final = 4
"""Requests of one call that are under way at the same time."""


class EmbeddingRouter:
    """Serves every embedding of a worker."""

    def __init__(self, planner: Planner, exchange: Exchange) -> None:
        self._planner = planner
        self._exchange = exchange

    async def embed(self, request: v1.EmbedRequest, call: Call) -> v1.EmbedResponse:
        """The vectors of all inputs, in order. Raises a GatewayError."""

        def encode(deployment: Deployment) -> HttpRequest:
            refuse_unembeddable(request, deployment.capability)
            embeddings = self._embeddings(deployment)
            return embeddings.encode(_parts(request, embeddings.most_inputs(deployment))[0], deployment)

        tries = self._planner.tries(request, call, encode)
        while True:
            try:
                return await self._embed_once(tries.deployment, tries.http, request, call)
            except GatewayError as error:
                await tries.after(error)

    def _embeddings(self, deployment: Deployment) -> Embeddings:
        embeddings = self._exchange.dialect(deployment).embeddings
        if embeddings is None:
            text = "no deployment of this model embeds; ask for one that lists FEATURE_EMBED in Models.ListModels"
            raise CapabilityMissing(FieldViolation(field="model", description=text))
        return embeddings

    async def _embed_once(
        self, deployment: Deployment, http: HttpRequest, request: v1.EmbedRequest, call: Call
    ) -> v1.EmbedResponse:
        embeddings = self._embeddings(deployment)
        parts = _parts(request, embeddings.most_inputs(deployment))
        with attempt(call, deployment, http, self._exchange.clock) as trying:
            # The first alone: what is wrong with one part is wrong with all, most often.
            answer = await self._ask(deployment, http, parts[0], trying)
            for start in range(1, len(parts), PARTS_AT_ONCE):
                for more in await self._ask_all(deployment, parts[start : start + PARTS_AT_ONCE], trying):
                    answer.vectors.extend(more.vectors)
                    add_usage(answer.usage, more.usage)
            if len({vector.dimensions for vector in answer.vectors}) > 1:
                raise UpstreamMalformed("the provider sent vectors of different lengths")
            if answer.HasField("usage"):
                trying.entry.usage.CopyFrom(answer.usage)
                call.usage = answer.usage
            trying.end(v1.ATTEMPT_OUTCOME_SERVED)
        answer.request_id, answer.model = call.request_id, call.model
        answer.attempts.extend(call.attempts)
        return answer

    async def _ask_all(
        self, deployment: Deployment, parts: Sequence[v1.EmbedRequest], trying: Attempt
    ) -> list[v1.EmbedResponse]:
        embeddings = self._embeddings(deployment)
        requests = [(embeddings.encode(part, deployment), part) for part in parts]
        # No TaskGroup: before Python 3.13 ("correct preservation of cancellation counts") it leaves the call's own task
        # marked as cancelled where a part fails, and a call that is marked so ends without a status.
        asked = [asyncio.create_task(self._ask(deployment, http, part, trying)) for http, part in requests]
        try:
            await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
            for one in asked:
                if one.done():
                    one.result()
            return [one.result() for one in asked]
        finally:
            for one in asked:  # where one has failed, or the caller has gone, the others are of no use
                one.cancel()
                one.add_done_callback(_look_at)

    async def _ask(
        self, deployment: Deployment, http: HttpRequest, part: v1.EmbedRequest, trying: Attempt
    ) -> v1.EmbedResponse:
        idle_s = self._exchange.limits.idle_s
        body = await self._exchange.whole(deployment, http, trying, until=math.inf, idle_s=idle_s)
        return self._embeddings(deployment).decode(body, part, deployment)


def _look_at(task: asyncio.Task[v1.EmbedResponse]) -> None:
    """Take note of a failure: one stands for all, and asyncio complains of those that nobody looked at."""
    if not task.cancelled():
        task.exception()


def _parts(request: v1.EmbedRequest, most: int) -> list[v1.EmbedRequest]:
    """The request in parts of so many inputs at most; itself where it is no longer."""
    if len(request.inputs) <= most:
        return [request]
    head = v1.EmbedRequest()
    head.CopyFrom(request)
    head.ClearField("inputs")
    parts = []
    for start in range(0, len(request.inputs), most):
        part = v1.EmbedRequest()
        part.CopyFrom(head)
        part.inputs.extend(request.inputs[start : start + most])
        parts.append(part)
    return parts
