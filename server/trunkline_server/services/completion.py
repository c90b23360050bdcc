"""trunkline.v1.Completion: asks a model for an answer."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.errors import CapabilityMissing, InvalidRequest, ProviderOptionRefused
from trunkline_server.routing.counting import TokenCounter
from trunkline_server.routing.router import Router
from trunkline_server.services.validation import validate


class Completion:
    """The servicer. GetOutcome is not served yet."""

    def __init__(self, router: Router, counter: TokenCounter) -> None:
        self._router = router
        self._counter = counter

    async def complete(self, request: v1.CompleteRequest, call: Call) -> v1.CompleteResponse:
        """The whole answer."""
        validate(request)
        call.model = request.model
        return await self._router.complete(request, call)

    async def stream_complete(
        self, request: v1.CompleteRequest, call: Call
    ) -> AsyncIterator[v1.StreamCompleteResponse]:
        """The answer in events. Those that waited while a message was on its way leave together in the next."""
        validate(request)
        call.model = request.model
        seq = 0
        async with aclosing(self._router.stream(request, call)) as batches:
            async for events in batches:
                yield v1.StreamCompleteResponse(first_seq=seq, events=events)
                seq += len(events)

    async def count_tokens(self, request: v1.CountTokensRequest, call: Call) -> v1.CountTokensResponse:
        """How many input tokens a request would use. It is checked as `complete` would."""
        validate(request.request, "request.")
        call.model = request.request.model
        try:
            return await self._counter.count(request.request, call)
        except (CapabilityMissing, InvalidRequest, ProviderOptionRefused) as error:
            told = (replace(violation, field=f"request.{violation.field}") for violation in error.violations)
            raise type(error)(*told) from error
