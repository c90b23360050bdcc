"""trunkline.v1.Completion: asks a model for an answer."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.routing.router import Router
from trunkline_server.services.validation import validate


class Completion:
    """The servicer. CountTokens and GetOutcome are not served yet."""

    def __init__(self, router: Router) -> None:
        self._router = router

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
