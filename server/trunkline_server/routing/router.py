"""Takes completions to deployments and brings back their answers.

1. Before the first content a failed attempt is followed by another, within the deadline; after it, never.
2. Nothing is handed on before the first content: response headers would commit the call.
3. Whatever happens, the connection of an attempt is given back or closed before the attempt is over.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import StreamDecoder
from trunkline_server.core.errors import GatewayError, IdleTimeout, UpstreamBroken
from trunkline_server.core.http import HttpRequest
from trunkline_server.routing.capable import refuse_incapable
from trunkline_server.routing.exchange import Exchange
from trunkline_server.routing.trail import Attempt, attempt
from trunkline_server.routing.tries import Planner, Tries
from trunkline_server.routing.unfold import unfold
from trunkline_server.upstream import UpstreamResponse

ENDING_S: Final = 2.0
"""How long usage is waited for after the finish reason."""

_JSON_BEGINS: Final = (b"{", b"[")


class Router:
    """Serves every completion of a worker."""

    def __init__(self, planner: Planner, exchange: Exchange) -> None:
        self._planner = planner
        self._exchange = exchange
        self._limits = exchange.limits
        self._clock = exchange.clock

    async def complete(self, request: v1.CompleteRequest, call: Call) -> v1.CompleteResponse:
        """The whole answer. Raises a GatewayError."""
        tries = self._tries(request, call, stream=False)
        while True:
            try:
                return await self._complete_once(tries.deployment, tries.http, request, call)
            except GatewayError as error:
                await tries.after(error)

    async def stream(self, request: v1.CompleteRequest, call: Call) -> AsyncGenerator[list[v1.StreamEvent], None]:
        """The events of the answer, in batches as they came; the last batch ends with Finished.

        Raises a GatewayError.
        """
        tries = self._tries(request, call, stream=True)
        while True:
            moves_on = self._limits.first_token_s is not None and tries.has_another()
            once = self._stream_once(tries.deployment, tries.http, request, call, moves_on=moves_on)
            try:
                async with aclosing(once) as batches:
                    async for events in batches:
                        yield events
                return
            except GatewayError as error:
                await tries.after(error)

    def _tries(self, request: v1.CompleteRequest, call: Call, *, stream: bool) -> Tries:
        def encode(deployment: Deployment) -> HttpRequest:
            refuse_incapable(request, deployment.capability)
            return self._exchange.dialect(deployment).encode(request, deployment, stream=stream)

        return self._planner.tries(request, call, encode, until=_first_token_limit(request, call))

    async def _complete_once(
        self, deployment: Deployment, http: HttpRequest, request: v1.CompleteRequest, call: Call
    ) -> v1.CompleteResponse:
        dialect = self._exchange.dialect(deployment)
        with attempt(call, deployment, http, self._clock) as trying:
            until = _first_token_limit(request, call)  # the operator's is for streams: here all of the answer is meant
            idle_s = self._idle_s(request)
            body = await self._exchange.whole(deployment, http, trying, until=until, idle_s=idle_s)
            answer = dialect.decode(body, deployment)
            trying.first_content()
            _started(answer.started, deployment, call)
            _finished(answer.finished, trying, call)
            return answer

    async def _stream_once(
        self, deployment: Deployment, http: HttpRequest, request: v1.CompleteRequest, call: Call, *, moves_on: bool
    ) -> AsyncGenerator[list[v1.StreamEvent], None]:
        dialect = self._exchange.dialect(deployment)
        decoder = dialect.stream_decoder(deployment)
        with attempt(call, deployment, http, self._clock) as trying:
            until = self._first_token_until(request, call, moves_on=moves_on)
            try:
                with await self._exchange.open(deployment, http, trying, until=until) as response:
                    if _is_json(response):
                        body = await self._exchange.read_whole(response, until, self._idle_s(request))
                        if body.lstrip()[:1] in _JSON_BEGINS:
                            events = unfold(dialect.decode(body, deployment))
                        else:  # a stream after all, under another name
                            events = [*decoder.feed(body), *decoder.end()]
                        batches = _once(events, trying)
                    else:
                        batches = self._batches(response, decoder, request, trying, until)
                    async with aclosing(batches):
                        async for events in batches:
                            _complete_events(events, deployment, trying, call)
                            call.content_sent = True
                            yield events
            finally:
                _note_usage(decoder, trying, call)

    async def _batches(
        self,
        response: UpstreamResponse,
        decoder: StreamDecoder,
        request: v1.CompleteRequest,
        trying: Attempt,
        until: float,
    ) -> AsyncGenerator[list[v1.StreamEvent], None]:
        """What a response's bytes decode to: all that waited since the last batch together, up to Finished."""
        idle_s, silent_until = self._idle_s(request), math.inf
        held: list[v1.StreamEvent] = []
        has_content = is_ending = False
        while True:
            events = await self._events(response, decoder, until, silent_until)
            if decoder.ending and (events or not is_ending):  # signs of life alone must not hold back a whole answer
                is_ending = True
                until, silent_until = math.inf, self._clock() + min(idle_s, ENDING_S)
            if not has_content:
                held += events
                if not any(_is_content(event) for event in events):
                    continue
                events, has_content = held, True
                trying.first_content()
            if events:
                finished = events[-1].WhichOneof("kind") == "finished"
                if finished:
                    response.finish()
                yield events
                if finished:
                    return
                decoder.feed(b"")  # a failure that stood behind these events is told now, and not at the next byte
            if not decoder.ending:
                until, silent_until = math.inf, self._clock() + idle_s

    async def _events(
        self, response: UpstreamResponse, decoder: StreamDecoder, until: float, silent_until: float
    ) -> list[v1.StreamEvent]:
        """What the next bytes decode to, or the end of the body."""
        try:
            data = await self._exchange.read(response, until, silent_until)
        except (IdleTimeout, UpstreamBroken):
            if not decoder.ending:
                raise
            data = b""  # the answer is whole; usage, which might have followed, does not come
        return decoder.feed(data) if data else decoder.end()

    def _first_token_until(self, request: v1.CompleteRequest, call: Call, *, moves_on: bool) -> float:
        """When an attempt without content is given up: the operator's limit never cuts the last deployment."""
        limit = _first_token_limit(request, call)
        if moves_on and self._limits.first_token_s is not None:
            limit = min(limit, self._clock() + self._limits.first_token_s)
        return limit

    def _idle_s(self, request: v1.CompleteRequest) -> float:
        if not request.timeouts.HasField("idle"):
            return self._limits.idle_s
        return min(self._limits.idle_s, _seconds(request.timeouts.idle))


def _first_token_limit(request: v1.CompleteRequest, call: Call) -> float:
    if not request.timeouts.HasField("first_token"):
        return math.inf
    return call.started_at + _seconds(request.timeouts.first_token)


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


def _is_json(response: UpstreamResponse) -> bool:
    """Whether a whole answer, or a failure, comes where a stream was asked for."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _once(events: list[v1.StreamEvent], trying: Attempt) -> AsyncGenerator[list[v1.StreamEvent], None]:
    trying.first_content()
    yield events


def _is_content(event: v1.StreamEvent) -> bool:
    return event.WhichOneof("kind") not in {"started", "usage_update"}


def _complete_events(events: list[v1.StreamEvent], deployment: Deployment, trying: Attempt, call: Call) -> None:
    """Fill in what only the gateway knows: Started is the first event of an answer, Finished the last."""
    first, last = events[0], events[-1]
    if first.WhichOneof("kind") == "started":
        _started(first.started, deployment, call)
    if last.WhichOneof("kind") == "finished":
        _finished(last.finished, trying, call)


def _started(started: v1.Started, deployment: Deployment, call: Call) -> None:
    started.request_id = call.request_id
    started.model = call.model
    started.provider = deployment.provider.name
    started.deployment = deployment.name


def _finished(finished: v1.Finished, trying: Attempt, call: Call) -> None:
    if finished.HasField("usage"):
        trying.entry.usage.CopyFrom(finished.usage)
        call.usage = finished.usage
    trying.end(v1.ATTEMPT_OUTCOME_SERVED)
    finished.model = call.model
    finished.attempts.extend(call.attempts)


def _note_usage(decoder: StreamDecoder, trying: Attempt, call: Call) -> None:
    """What a cut answer had used, as far as the provider had told."""
    if trying.entry.outcome == v1.ATTEMPT_OUTCOME_SERVED or decoder.usage is None:
        return
    call.usage = v1.Usage()
    call.usage.CopyFrom(decoder.usage)
    if call.usage.HasField("output_tokens"):
        call.usage.output_source = v1.USAGE_SOURCE_PARTIAL
    trying.entry.usage.CopyFrom(call.usage)
