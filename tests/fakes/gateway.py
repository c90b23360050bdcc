"""A gateway that says what a test tells it to: a real gRPC server with the generated stubs.

`async with Gateway() as gateway` serves in the loop of the test; `with running_gateway() as gateway` in a thread of its
own, for tests that block. What it answers is in `on_stream`, `on_complete`, `on_models`, `on_embed`, `on_count`,
`on_outcome` and `status`; what it was asked is in `calls`.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from trunkline import v1
from trunkline.v1 import completion_pb2_grpc, embedding_pb2_grpc, models_pb2_grpc

STREAMS_PER_CONNECTION = 250
"""Like the real gateway: a client with more calls on one connection is refused."""


@dataclass
class SeenCall:
    """One call as the server saw it."""

    method: str
    request: Any
    metadata: dict[str, str | bytes]
    time_remaining: float | None
    peer: str
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False


OnStream = Callable[[v1.CompleteRequest, Any], AsyncIterator[v1.StreamCompleteResponse]]
OnAny = Callable[[Any, Any], Awaitable[Any]]
OnComplete = Callable[[v1.CompleteRequest, Any], Awaitable[v1.CompleteResponse]]


def events(*pieces: str, request_id: str = "", usage: v1.Usage | None = None) -> list[v1.StreamEvent]:
    """The events of an answer of text in these pieces."""
    usage = usage or v1.Usage(input_tokens=5, output_tokens=len(pieces))
    return [
        v1.StreamEvent(started=v1.Started(request_id=request_id, model="m", served_model="m-1", provider="fake")),
        v1.StreamEvent(block_start=v1.BlockStart(index=0, header=v1.Block(text=v1.Text()))),
        *(v1.StreamEvent(block_delta=v1.BlockDelta(index=0, text=piece)) for piece in pieces),
        v1.StreamEvent(block_stop=v1.BlockStop(index=0)),
        v1.StreamEvent(finished=v1.Finished(finish_reason=v1.FINISH_REASON_STOP, model="m", usage=usage)),
    ]


def messages(all_events: list[v1.StreamEvent], per_message: int = 1) -> list[v1.StreamCompleteResponse]:
    """The events in messages of so many each, numbered."""
    return [
        v1.StreamCompleteResponse(first_seq=first, events=all_events[first : first + per_message])
        for first in range(0, len(all_events), per_message)
    ]


def speak(*pieces: str, per_message: int = 1) -> OnStream:
    """Stream this text."""
    return play(messages(events(*pieces), per_message))


def play(script: list[v1.StreamCompleteResponse], then: OnComplete | None = None) -> OnStream:
    """Stream these messages, then end with OK or with what `then` does."""

    async def stream(request: v1.CompleteRequest, context: Any) -> AsyncIterator[v1.StreamCompleteResponse]:
        for message in script:
            yield message
        if then is not None:
            await then(request, context)

    return stream


def answer(text: str) -> OnComplete:
    """Give this text as a whole answer."""

    async def complete(request: v1.CompleteRequest, context: Any) -> v1.CompleteResponse:
        return v1.CompleteResponse(
            started=v1.Started(request_id="given", model=request.model),
            message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=[v1.Block(text=v1.Text(text=text))]),
            finished=v1.Finished(
                finish_reason=v1.FINISH_REASON_STOP,
                model=request.model,
                usage=v1.Usage(input_tokens=5, output_tokens=1),
            ),
        )

    return complete


def fail(
    code: grpc.StatusCode,
    message: str,
    *,
    reason: str = "",
    retry_after_s: int | None = None,
    fields: dict[str, str] | None = None,
    partial: v1.PartialResult | None = None,
    pushback_ms: int | None = None,
) -> OnComplete:
    """Fail with a status and its details, as the gateway does."""
    details: list[Message] = []
    if reason:
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain="trunkline.dev"))
    if retry_after_s is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after_s)))
    if fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=name, description=text) for name, text in fields.items()
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if partial is not None:
        details.append(partial)
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    trailers: list[tuple[str, str | bytes]] = []
    if details:
        trailers.append(("grpc-status-details-bin", status.SerializeToString()))
    if pushback_ms is not None:
        trailers.append(("grpc-retry-pushback-ms", str(pushback_ms)))

    async def complete(request: v1.CompleteRequest, context: Any) -> v1.CompleteResponse:
        # Not abort_with_status: it would drop trailing metadata that was set before it.
        await context.abort(code, message, tuple(trailers))
        raise AssertionError("abort raises")

    return complete


async def silence(request: v1.CompleteRequest, context: Any) -> v1.CompleteResponse:
    """Say nothing until the caller goes away."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")


def give(response: Message) -> OnAny:
    """Answer with this message."""

    async def anything(request: Any, context: Any) -> Any:
        return response

    return anything


class Gateway(
    completion_pb2_grpc.CompletionServicer,
    embedding_pb2_grpc.EmbeddingServicer,
    models_pb2_grpc.ModelsServicer,
    health_pb2_grpc.HealthServicer,
):
    """The server. Set what it answers before a call; read what it was asked after."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.on_stream: OnStream = speak("Hel", "lo")
        self.on_complete: OnComplete = answer("Hello")
        self.on_models: OnComplete | None = None
        self.on_embed: OnAny = give(v1.EmbedResponse())
        self.on_count: OnAny = give(v1.CountTokensResponse())
        self.on_outcome: OnAny = give(v1.GetOutcomeResponse())
        self.models = ["m"]
        self.models_per_page = 2
        self.features: list[int] = [v1.FEATURE_STREAM]
        self.known: v1.Capabilities | None = None
        """What each model can do, instead of `features` and a context of 8192."""
        self.status = health_pb2.HealthCheckResponse.SERVING
        self.calls: list[SeenCall] = []
        self.arrived = threading.Event()
        self.target = ""
        self.running = 0
        self.peak = 0
        self._server: grpc.aio.Server | None = None
        self._credentials = credentials
        self._said = asyncio.Event()

    async def __aenter__(self) -> "Gateway":
        options = (("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION))
        self._server = grpc.aio.server(options=options)
        completion_pb2_grpc.add_CompletionServicer_to_server(self, self._server)
        embedding_pb2_grpc.add_EmbeddingServicer_to_server(self, self._server)
        models_pb2_grpc.add_ModelsServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self, self._server)
        address = self.target or "127.0.0.1:0"
        if self._credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, self._credentials)
        self.target = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(None)

    @property
    def last(self) -> SeenCall:
        """The latest call."""
        return self.calls[-1]

    @property
    def connections(self) -> int:
        """On how many connections calls came."""
        return len({call.peer for call in self.calls})

    async def Complete(self, request, context):  # noqa: N802
        with self._seen("Complete", request, context):
            return await self.on_complete(request, context)

    async def StreamComplete(self, request, context):  # noqa: N802
        with self._seen("StreamComplete", request, context):
            async with contextlib.aclosing(self.on_stream(request, context)) as replies:
                async for reply in replies:
                    await context.write(reply)

    async def CountTokens(self, request, context):  # noqa: N802
        with self._seen("CountTokens", request, context):
            return await self.on_count(request, context)

    async def GetOutcome(self, request, context):  # noqa: N802
        with self._seen("GetOutcome", request, context):
            return await self.on_outcome(request, context)

    async def Embed(self, request, context):  # noqa: N802
        with self._seen("Embed", request, context):
            return await self.on_embed(request, context)

    async def GetModel(self, request, context):  # noqa: N802
        with self._seen("GetModel", request, context):
            if request.name not in self.models:
                await fail(grpc.StatusCode.NOT_FOUND, f"no model {request.name}", reason="MODEL_NOT_FOUND")(
                    request, context
                )
            return v1.GetModelResponse(model=_model(request.name, self.features, self.known))

    async def ListModels(self, request, context):  # noqa: N802
        with self._seen("ListModels", request, context):
            if self.on_models is not None:
                await self.on_models(request, context)
            first = int(request.page_token or 0)
            after = first + min(self.models_per_page, request.page_size or 100)
            return v1.ListModelsResponse(
                models=[_model(name, self.features, self.known) for name in self.models[first:after]],
                next_page_token=str(after) if after < len(self.models) else "",
            )

    async def Check(self, request, context):  # noqa: N802
        with self._seen("Check", request, context):
            if request.service not in ("", "trunkline.v1.Completion"):
                await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service}")
            return health_pb2.HealthCheckResponse(status=self.status)

    async def Watch(self, request, context):  # noqa: N802
        while True:
            self._said.clear()
            yield health_pb2.HealthCheckResponse(status=self.status)
            await self._said.wait()

    def say(self, status: Any) -> None:
        """Tell this status to all who ask and watch."""
        self.status = status
        self._said.set()

    @contextlib.contextmanager
    def _seen(self, method: str, request: Any, context: Any) -> Iterator[None]:
        metadata = dict(context.invocation_metadata())
        call = SeenCall(method, request, metadata, context.time_remaining(), context.peer())
        self.calls.append(call)
        self.arrived.set()
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            yield
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            self.running -= 1
            call.ended.set()


def _model(name: str, features: list[Any], known: v1.Capabilities | None) -> v1.Model:
    place = v1.Deployment(
        name=f"fake/{name}",
        provider="fake",
        upstream_model=name,
        dialect="openai",
        state=v1.DEPLOYMENT_STATE_HEALTHY,
    )
    return v1.Model(
        name=name,
        description=f"Model {name}",
        capabilities=v1.Capabilities(features=features, context_tokens=8192) if known is None else known,
        deployments=[place],
    )


@contextlib.contextmanager
def running_gateway(credentials: grpc.ServerCredentials | None = None) -> Iterator[Gateway]:
    """A gateway in a thread of its own."""
    gateway, ready = Gateway(credentials), threading.Event()
    stop: asyncio.Event | None = None
    loop: asyncio.AbstractEventLoop | None = None

    async def serve() -> None:
        nonlocal stop, loop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with gateway:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gateway")
    thread.start()
    assert ready.wait(10)
    try:
        yield gateway
    finally:
        assert loop is not None
        assert stop is not None
        loop.call_soon_threadsafe(stop.set)
        thread.join()
