"""The router: takes a call to a deployment and brings back its answer.

1. Before the first content a failed attempt is followed by another, within the deadline; after it, never.
2. Nothing is handed on before the first content: response headers would commit the call.
3. Whatever happens, the connection of an attempt is given back or closed before the attempt is over.
"""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.credential import Presenter
from trunkline_server.core.deployment import Deployment, Provider, Route
from trunkline_server.core.dialect import Dialect, StreamDecoder
from trunkline_server.core.errors import (
    CapabilityMissing,
    FieldViolation,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    UpstreamBroken,
    UpstreamMalformed,
)
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.http import HttpRequest
from trunkline_server.routing.candidates import Queue, candidates
from trunkline_server.routing.retry import AGAIN, ELSEWHERE, GiveUp, decide
from trunkline_server.routing.trail import Attempt, attempt
from trunkline_server.upstream import Upstream, UpstreamResponse

OK: Final = 200
MAX_ERROR_BODY: Final = 64 * 1024
"""Bytes of a failed answer that are read; the rest is cut."""
ERROR_BODY_S: Final = 1.0
"""How long they are waited for: the status alone says enough to go elsewhere."""
ENDING_S: Final = 2.0
"""How long usage is waited for after the finish reason."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLimits:
    """The operator's limits in time and size."""

    first_token_s: float | None
    """An attempt without content after this long is given up for another deployment, if there is one."""
    idle_s: float
    """Longest silence of a provider after the first content."""
    max_response_bytes: int
    """Largest body of a unary answer."""


class Router:
    """Serves every call of a worker. `routes` is asked anew for each call, so that a reload is in force at once."""

    def __init__(
        self,
        routes: Callable[[], Mapping[str, Route]],
        dialects: Mapping[str, Dialect],
        upstream: Upstream,
        limits: RouterLimits,
        faults: FaultLog,
        *,
        presenter: Callable[[Provider], Presenter | None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._routes = routes
        self._dialects = dialects
        self._upstream = upstream
        self._limits = limits
        self._faults = faults
        self._presenter = presenter
        self._clock = clock
        self._rng = rng

    async def complete(self, request: v1.CompleteRequest, call: Call) -> v1.CompleteResponse:
        """The whole answer. Raises a GatewayError."""
        queue = self._queue(request, call, stream=False)
        deployment, http = queue.take()
        while True:
            try:
                return await self._complete_once(deployment, http, request, call)
            except GatewayError as error:
                deployment, http, delay_s = self._next((deployment, http), error, request, call, queue)
            await asyncio.sleep(delay_s)

    async def stream(self, request: v1.CompleteRequest, call: Call) -> AsyncGenerator[list[v1.StreamEvent], None]:
        """The events of the answer, in batches as they came; the last batch ends with Finished.

        Raises a GatewayError.
        """
        queue = self._queue(request, call, stream=True)
        deployment, http = queue.take()
        while True:
            moves_on = self._limits.first_token_s is not None and queue.has_another()
            once = self._stream_once(deployment, http, request, call, moves_on=moves_on)
            try:
                async with aclosing(once) as batches:
                    async for events in batches:
                        yield events
                return
            except GatewayError as error:
                deployment, http, delay_s = self._next((deployment, http), error, request, call, queue)
            await asyncio.sleep(delay_s)

    def _queue(self, request: v1.CompleteRequest, call: Call, *, stream: bool) -> Queue:
        _refuse_unserved(request)
        return Queue(candidates(self._routes(), request, self._rng), self._dialects, request, call, stream=stream)

    def _next(
        self,
        failed: tuple[Deployment, HttpRequest],
        error: GatewayError,
        request: v1.CompleteRequest,
        call: Call,
        queue: Queue,
    ) -> tuple[Deployment, HttpRequest, float]:
        """Where to go after a failure, and after how many seconds; raises the failure where there is nothing to do."""
        if isinstance(error, (*ELSEWHERE, *AGAIN, IdleTimeout)):
            self._faults.failed(call.attempts[-1], call)  # the others are the caller's to mend, and not the operator's
        while True:
            followed = decide(
                error,
                attempts=sum(1 for tried in call.attempts if tried.outcome != v1.ATTEMPT_OUTCOME_SKIPPED),
                others=not queue.empty,
                content_sent=call.content_sent,
                remaining_s=min(call.deadline, _first_token_limit(request, call)) - self._clock(),
                rng=self._rng,
            )
            if isinstance(followed, GiveUp):
                raise error
            if followed.same:
                return (*failed, followed.delay_s)
            try:
                return (*queue.take(), followed.delay_s)
            except GatewayError:
                continue  # none of the others can take the call: what is left is the same once more, or the failure

    async def _complete_once(
        self, deployment: Deployment, http: HttpRequest, request: v1.CompleteRequest, call: Call
    ) -> v1.CompleteResponse:
        dialect = self._dialects[deployment.provider.dialect]
        with attempt(call, deployment, http, self._clock) as trying:
            until = _first_token_limit(request, call)  # the operator's is for streams: here all of the answer is meant
            with await self._open(deployment, http, until, trying) as response:
                body = await self._read_whole(response, until, self._idle_s(request))
            answer = dialect.decode(body, deployment)
            trying.first_content()
            _started(answer.started, deployment, call)
            _finished(answer.finished, trying, call)
            return answer

    async def _stream_once(
        self, deployment: Deployment, http: HttpRequest, request: v1.CompleteRequest, call: Call, *, moves_on: bool
    ) -> AsyncGenerator[list[v1.StreamEvent], None]:
        dialect = self._dialects[deployment.provider.dialect]
        decoder = dialect.stream_decoder(deployment)
        with attempt(call, deployment, http, self._clock) as trying:
            until = self._first_token_until(request, call, moves_on=moves_on)
            try:
                with await self._open(deployment, http, until, trying) as response:
                    async with aclosing(self._batches(response, decoder, request, trying, until)) as batches:
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
        has_content = False
        while True:
            events = await self._events(response, decoder, until, silent_until)
            if decoder.ending:
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
            data = await self._read(response, until, silent_until)
        except (IdleTimeout, UpstreamBroken):
            if not decoder.ending:
                raise
            data = b""  # the answer is whole; usage, which might have followed, does not come
        return decoder.feed(data) if data else decoder.end()

    async def _open(self, deployment: Deployment, http: HttpRequest, until: float, trying: Attempt) -> UpstreamResponse:
        """A response with status 200. Raises what another status means."""
        presenter = self._presenter(deployment.provider) if deployment.provider.presents else None
        try:
            if presenter is not None:
                http = await presenter.present(http, until=until)
                trying.presents(presenter.secrets)
            response = await self._upstream.open(http, until=until)
        except TimeoutError as error:
            raise FirstTokenTimeout("the provider did not answer within the limit for the first token") from error
        trying.answered(response.status, response.headers)
        if response.status == OK:
            return response
        with response:
            body = await _read_some(response, min(until, self._clock() + ERROR_BODY_S))
        failure = self._dialects[deployment.provider.dialect].decode_error(response.status, response.headers, body)
        if presenter is not None:
            failure.renewed = presenter.refused(http, response.status, response.headers)
        raise failure

    async def _read_whole(self, response: UpstreamResponse, until: float, idle_s: float) -> bytes:
        """The body of an answer in one piece. Once its head is there, silence is bounded as in a stream."""
        limit = self._limits.max_response_bytes
        pieces: list[bytes] = []
        size = 0
        while data := await self._read(response, until, self._clock() + idle_s):
            size += len(data)
            if size > limit:
                raise UpstreamMalformed(f"the provider's answer is longer than {limit} bytes")
            pieces.append(data)
        return b"".join(pieces)

    @staticmethod
    async def _read(response: UpstreamResponse, until: float, silent_until: float) -> bytes:
        """What has come. `until` is the limit for the first content, `silent_until` that for silence."""
        try:
            return await response.read(until=min(until, silent_until))
        except TimeoutError as error:
            if silent_until < until:
                raise IdleTimeout("the provider fell silent in the middle of its answer") from error
            raise FirstTokenTimeout("no content came within the limit for the first token") from error

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


def _refuse_unserved(request: v1.CompleteRequest) -> None:
    """Refuse what would have to be ignored otherwise: a caller that asks for it relies on it."""
    if request.idempotency_key:
        text = "this version of the gateway does not keep idempotency keys; leave it empty"
        raise CapabilityMissing(FieldViolation(field="idempotency_key", description=text))
    if request.routing.HasField("max_cost_nano_usd"):
        text = "this version of the gateway knows no prices, so it can't hold to a cost; leave it unset"
        raise CapabilityMissing(FieldViolation(field="routing.max_cost_nano_usd", description=text))


def _first_token_limit(request: v1.CompleteRequest, call: Call) -> float:
    if not request.timeouts.HasField("first_token"):
        return math.inf
    return call.started_at + _seconds(request.timeouts.first_token)


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


async def _read_some(response: UpstreamResponse, until: float) -> bytes:
    """The start of a failed answer's body; what breaks while it is read is not what failed."""
    body = bytearray()
    try:
        while len(body) < MAX_ERROR_BODY and (data := await response.read(until=until)):
            body += data
    except (GatewayError, TimeoutError):
        pass
    return bytes(body[:MAX_ERROR_BODY])


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
