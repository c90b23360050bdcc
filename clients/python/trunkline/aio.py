"""The client for asyncio.

1. Every call has a deadline and a request id.
2. Failures are exceptions of trunkline.errors; no grpc.RpcError leaves this module. Cancelling a task cancels its
   call, and asyncio.CancelledError passes through.
3. Calls share at most 8 connections; see trunkline.pool.
4. UNAVAILABLE before the first message is tried up to 4 times in all; see trunkline.connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import grpc

from trunkline import parts
from trunkline.client import HEALTH_TIMEOUT_S, MAX_TURNS, MODEL_PAGES, MODELS_BYTES, MODELS_PER_PAGE
from trunkline.connection import CallStart, Connection
from trunkline.errors import CLIENT_DOMAIN, BrokenStream, Cancelled, TrunklineError
from trunkline.pool import AsyncPool, Lease
from trunkline.signpost import Signposted

if TYPE_CHECKING:
    from grpc_health.v1 import health_pb2_grpc

    from trunkline import v1
    from trunkline.completion import Completion
    from trunkline.counting import TokenCount
    from trunkline.embeddings import Embeddings, EmbedOptions, Inputs
    from trunkline.loop import OnToolError
    from trunkline.messages import CompletionOptions, Messages
    from trunkline.outcome import Outcome
    from trunkline.run import AsyncRun
    from trunkline.stream import AsyncStream
    from trunkline.tls import Tls
    from trunkline.v1.completion_pb2_grpc import CompletionAsyncStub
    from trunkline.v1.embedding_pb2_grpc import EmbeddingAsyncStub
    from trunkline.v1.models_pb2_grpc import ModelsAsyncStub

__all__ = ["AsyncClient"]

T = TypeVar("T")


class _Channel:
    """A connection and its stubs. Those that few programs use are made when they are used."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.grpc = channel
        self.completion: CompletionAsyncStub = parts.CompletionStub(channel)

    @cached_property
    def embedding(self) -> EmbeddingAsyncStub:
        return parts.EmbeddingStub(self.grpc)

    @cached_property
    def models(self) -> ModelsAsyncStub:
        return parts.ModelsStub(self.grpc)

    @cached_property
    def health(self) -> health_pb2_grpc.HealthStub:
        return parts.health_pb2_grpc.HealthStub(self.grpc)  # type: ignore[no-untyped-call]


def _connect(connection: Connection) -> _Channel:
    credentials = connection.channel_credentials
    if credentials is None:
        channel = grpc.aio.insecure_channel(connection.target, connection.options)
    else:
        channel = grpc.aio.secure_channel(connection.target, credentials, connection.options)
    return _Channel(channel)


class AsyncClient(Signposted):
    """Calls the gateway. One client serves all tasks of one event loop: the loop that made its first call.

    It does not survive a fork, and it can't be used from another thread's loop: make one per loop.

    For example:
        import asyncio

        import trunkline


        async def main() -> None:
            async with trunkline.AsyncClient() as client:
                answers = await asyncio.gather(*(client.complete("fast", f"Say {n}.") for n in range(3)))
                print([answer.text for answer in answers])


        asyncio.run(main())
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 600.0,
        tls: Tls | bool | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Nothing is sent before the first call. The arguments are those of trunkline.Client."""
        self._connection = Connection.resolve(target, api_key, timeout, credentials, tls)
        self._pool = AsyncPool(lambda: _connect(self._connection), generation=self._connection.generation)

    @property
    def target(self) -> str:
        """Where the gateway is.

        For example:
            import trunkline

            print(trunkline.AsyncClient("gateway.example:50051").target)
        """
        return self._connection.target

    @overload
    async def complete(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: None = None,
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion: ...

    @overload
    async def complete(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: type[T],
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion[T]: ...

    async def complete(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: type[Any] | None = None,
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion[Any]:
        """The whole answer to `messages`, or to a `request` that holds all of it. As trunkline.Client.complete.

        Options (see trunkline.CompletionOptions): tools, tool_choice, response_format, temperature, top_p,
        top_k, min_p, frequency_penalty, presence_penalty, max_output_tokens, stop, seed, reasoning_effort, logprobs,
        labels, idempotency_key, provider_options, routing, timeouts, cache.

        Raises TrunklineError for a call that fails, and TypeError or ValueError, which name the place, for arguments
        that can't be understood. UNAVAILABLE is tried up to 4 times in all, over about 2 seconds.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    print((await client.complete("fast", "Say hello.", timeout=60)).text)


            asyncio.run(main())
        """
        built = parts.build_request(model, messages, request, options)
        built, reader = parts.asked(output, built, given=request is not None)
        start = self._connection.start(timeout, request_id)
        return parts.settled(await self._unary(start, built, lambda channel: channel.completion.Complete), reader)

    @overload
    def stream(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: None = None,
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream: ...

    @overload
    def stream(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: type[T],
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[T]: ...

    def stream(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        output: type[Any] | None = None,
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[Any]:
        """The answer as it comes. Takes what `complete` takes; the deadline is for the whole stream, from now on.

        Options (see trunkline.CompletionOptions): tools, tool_choice, response_format, temperature, top_p,
        top_k, min_p, frequency_penalty, presence_penalty, max_output_tokens, stop, seed, reasoning_effort, logprobs,
        labels, idempotency_key, provider_options, routing, timeouts, cache.

        The stream raises TrunklineError where the call fails, also after a part of the answer. Before the first
        message, UNAVAILABLE is tried up to 4 times in all, over about 2 seconds; after it, never again.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client, client.stream("fast", "Count to five.") as stream:
                    async for piece in stream.text:
                        print(piece, end="", flush=True)


            asyncio.run(main())
        """
        built = parts.build_request(model, messages, request, options)
        built, reader = parts.asked(output, built, given=request is not None)
        start = self._connection.start(timeout, request_id)
        return parts.AsyncStream(start.request_id, lambda: self._open_stream(start, built), reader)

    @overload
    def run(
        self,
        model: str,
        messages: Messages,
        *,
        output: None = None,
        max_turns: int = MAX_TURNS,
        timeout: float | None = None,
        on_tool_error: OnToolError | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncRun: ...

    @overload
    def run(
        self,
        model: str,
        messages: Messages,
        *,
        output: type[T],
        max_turns: int = MAX_TURNS,
        timeout: float | None = None,
        on_tool_error: OnToolError | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncRun[T]: ...

    def run(
        self,
        model: str,
        messages: Messages,
        *,
        output: type[Any] | None = None,
        max_turns: int = MAX_TURNS,
        timeout: float | None = None,
        on_tool_error: OnToolError | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncRun[Any]:
        """Turns of the model and of Python functions until it has answered. As trunkline.Client.run.

        The functions of one turn run at the same time, at most 16: coroutine functions in this loop, others in threads.
        The deadline and leaving the `async with` cancel them; a function in a thread runs on, unheard.

        For example:
            import asyncio

            import trunkline


            async def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    question = "Do I need an umbrella in Paris?"
                    async with client.run("fast", question, tools=[get_weather], timeout=60) as run:
                        async for piece in run.text:
                            print(piece, end="", flush=True)
                        print((await run.collect()).usage.output_tokens)


            asyncio.run(main())
        """
        deadline = self._connection.start(timeout, None).deadline
        loop = parts.Loop(model, messages, options, max_turns=max_turns, on_tool_error=on_tool_error, deadline=deadline)
        loop.asked, reader = parts.asked(output, loop.asked, given=False)
        return parts.AsyncRun(loop, lambda request, seconds: self.stream(request=request, timeout=seconds), reader)

    async def embed(
        self,
        model: str | None = None,
        inputs: Inputs | None = None,
        *,
        request: v1.EmbedRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """A vector for each of `inputs`, in their order, or for a `request` that holds all of it.

        `inputs` is a text or several things: each a text, a v1.Media or a list of them that become one vector.
        `timeout` and `request_id` are as for `complete`.

        Options (see trunkline.EmbedOptions): dimensions, dtype, task, truncate, labels, routing, idempotency_key,
        provider_options.

        Raises TrunklineError for a call that fails, and TypeError or ValueError, which name the place, for arguments
        that can't be understood.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    vectors = await client.embed("vectors", ["one text", "another"], task="document")
                    print(len(vectors), len(vectors[0]), vectors.usage.input_tokens)


            asyncio.run(main())
        """
        built = parts.embed_request(model, inputs, request, options)
        start = self._connection.start(timeout, request_id)
        return parts.Embeddings(await self._unary(start, built, lambda channel: channel.embedding.Embed))

    async def count_tokens(
        self,
        model: str | None = None,
        messages: Messages | None = None,
        *,
        request: v1.CompleteRequest | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> TokenCount:
        """How many input tokens `complete` would use with these arguments. Nothing is generated.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    count = await client.count_tokens("fast", "Why is the sky blue?")
                    print(count.input_tokens, "about" if count.estimated else "exactly")


            asyncio.run(main())
        """
        built = parts.v1.CountTokensRequest(request=parts.build_request(model, messages, request, options))
        start = self._connection.start(timeout, request_id)
        return parts.TokenCount.of(await self._unary(start, built, lambda channel: channel.completion.CountTokens))

    async def models(self, *, timeout: float | None = None) -> list[v1.Model]:
        """All models that this key may use, by name.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    print([model.name for model in await client.models()])


            asyncio.run(main())
        """
        start = self._connection.start(timeout, None)
        models: list[v1.Model] = []
        page = parts.v1.ListModelsRequest(page_size=MODELS_PER_PAGE)
        size = 0
        for _ in range(MODEL_PAGES):
            answer = await self._unary(start, page, lambda channel: channel.models.ListModels)
            models.extend(answer.models)
            size += answer.ByteSize()
            if size > MODELS_BYTES:
                break
            page.page_token = answer.next_page_token
            if not page.page_token:
                return models
        raise BrokenStream("the list of models does not end", request_id=start.request_id)

    async def model(self, name: str, *, timeout: float | None = None) -> v1.Model:
        """One model: what it can do and where it is served. Raises NotFound for one that this key may not use.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    model = await client.model("fast")
                    print(model.description, model.capabilities.context_tokens)


            asyncio.run(main())
        """
        start = self._connection.start(timeout, None)
        asked = parts.v1.GetModelRequest(name=name)
        answer: v1.GetModelResponse = await self._unary(start, asked, lambda channel: channel.models.GetModel)
        return answer.model

    async def outcome(
        self, request_id: str | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Outcome:
        """How an earlier call of this key ended, by its request id or its idempotency key, whichever is given.

        Raises NotFound for a call that the gateway does not know, or no longer; it keeps outcomes for an hour.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    answer = await client.complete("fast", "Say hello.")
                    outcome = await client.outcome(answer.request_id)
                    print(outcome.running, outcome.error, outcome.ended_at)


            asyncio.run(main())
        """
        asked = parts.outcome_request(request_id, idempotency_key)
        start = self._connection.start(timeout, None)
        return parts.Outcome(await self._unary(start, asked, lambda channel: channel.completion.GetOutcome))

    async def health(self, service: str = "", *, timeout: float | None = HEALTH_TIMEOUT_S) -> str:
        """How the gateway is: "SERVING", "NOT_SERVING" or "UNKNOWN". Raises NotFound for an unknown service.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    print(await client.health())


            asyncio.run(main())
        """
        start = self._connection.start(timeout, None)
        asked = parts.health_pb2.HealthCheckRequest(service=service)
        answer = await self._unary(start, asked, lambda channel: channel.health.Check)
        names = parts.health_pb2.HealthCheckResponse.ServingStatus
        return names.Name(answer.status) if answer.status in names.values() else "UNKNOWN"

    async def close(self) -> None:
        """Close all connections. Calls in progress fail with Cancelled.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                client = trunkline.AsyncClient()
                print((await client.complete("fast", "Say hello.")).text)
                await client.close()  # leaving an `async with` does it too


            asyncio.run(main())
        """
        for channel in self._pool.close():
            await channel.grpc.close()

    async def _lease(self, start: CallStart) -> Lease[_Channel]:
        for channel in self._pool.retire():
            await channel.grpc.close()
        try:
            return await self._pool.take(start.deadline)
        except TrunklineError as failure:
            failure.request_id = start.request_id
            raise

    async def _unary(self, start: CallStart, request: Any, method: Callable[[_Channel], Any]) -> Any:
        with await self._lease(start) as channel:
            try:
                answer = await method(channel)(request, timeout=start.remaining(), metadata=start.metadata)
            except grpc.RpcError as failure:
                raise parts.error_from_rpc(failure, start.request_id) from failure
            except asyncio.CancelledError:
                if parts.task_is_cancelled():
                    raise
                raise Cancelled(
                    "the client was closed",
                    reason="CLIENT_CLOSED",
                    domain=CLIENT_DOMAIN,
                    request_id=start.request_id,
                ) from None
            except grpc.aio.UsageError:
                self._pool.check_open(start.request_id)
                raise
        return parts.readable(answer, start.request_id)

    async def _open_stream(self, start: CallStart, request: v1.CompleteRequest) -> Any:
        lease = await self._lease(start)
        try:
            call = lease.connection.completion.StreamComplete(
                request, timeout=start.remaining(), metadata=start.metadata
            )
        except BaseException:
            lease.give_back()
            self._pool.check_open(start.request_id)
            raise
        # The place is free when the call has ended, however it ended; a dropped call is cancelled by gRPC.
        call.add_done_callback(lease.give_back)
        return call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.target}, {self._pool!r})"
