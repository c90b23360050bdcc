"""The client for threads.

1. Every call has a deadline and a request id.
2. Failures are exceptions of trunkline.errors; no grpc.RpcError leaves this module.
3. Calls share at most 8 connections; see trunkline.pool.
4. UNAVAILABLE before the first message is tried up to 4 times in all; see trunkline.connection.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import grpc

from trunkline import parts
from trunkline.connection import CallStart, Connection
from trunkline.errors import BrokenStream, TrunklineError
from trunkline.pool import Lease, Pool
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
    from trunkline.run import Run
    from trunkline.stream import Stream
    from trunkline.tls import Tls
    from trunkline.v1.completion_pb2_grpc import CompletionStub
    from trunkline.v1.embedding_pb2_grpc import EmbeddingStub
    from trunkline.v1.models_pb2_grpc import ModelsStub

__all__ = ["Client"]

T = TypeVar("T")

MAX_TURNS = 10
"""Turns of a run, where the caller does not say otherwise."""
MODELS_PER_PAGE = 1_000
MODEL_PAGES = 100
MODELS_BYTES = 64 * 1024 * 1024
"""Of all pages together; a list that is longer than these two is taken for one without end."""
HEALTH_TIMEOUT_S = 5.0


class _Channel:
    """A connection and its stubs. Those that few programs use are made when they are used."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.grpc = channel
        self.completion: CompletionStub = parts.CompletionStub(channel)

    @cached_property
    def embedding(self) -> EmbeddingStub:
        return parts.EmbeddingStub(self.grpc)

    @cached_property
    def models(self) -> ModelsStub:
        return parts.ModelsStub(self.grpc)

    @cached_property
    def health(self) -> health_pb2_grpc.HealthStub:
        return parts.health_pb2_grpc.HealthStub(self.grpc)  # type: ignore[no-untyped-call]


def _connect(connection: Connection) -> _Channel:
    credentials = connection.channel_credentials
    if credentials is None:
        channel = grpc.insecure_channel(connection.target, connection.options)
    else:
        channel = grpc.secure_channel(connection.target, credentials, connection.options)
    return _Channel(channel)


class Client(Signposted):
    """Calls the gateway. One client serves all threads of a process.

    It does not survive a fork: gRPC's threads stay in the parent. Make the client in the child, or spawn.

    For example:
        import trunkline

        with trunkline.Client("127.0.0.1:50051", api_key="...", timeout=60) as client:
            print(client)
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
        """Nothing is sent before the first call.

        `target` is "host:port" or "unix:/path"; without it TRUNKLINE_TARGET, then 127.0.0.1:50051. `api_key` is sent
        as a bearer token; without it TRUNKLINE_API_KEY. `timeout` is the deadline, in seconds, of calls that have none
        of their own. Raises ValueError for what can't be used.

        `tls` is a trunkline.Tls; True for TLS with the files that the environment names, else with the authorities that
        the system trusts; False for plaintext. Without it the environment decides: TRUNKLINE_TLS=1, or any of
        TRUNKLINE_CA_FILE, TRUNKLINE_CERT_FILE and TRUNKLINE_KEY_FILE, means TLS, and TRUNKLINE_SERVER_NAME is the name
        in the gateway's certificate. `credentials` are gRPC's own instead of all that.

        A target of several addresses, "dns:///gateway.example:50051" for a headless service, shares calls among all
        that say they are SERVING.

        For example:
            import trunkline

            with trunkline.Client("127.0.0.1:50051", api_key="tk-...", timeout=60, tls=False) as client:
                print(client.complete("fast", "Say hello.").text)
        """
        self._connection = Connection.resolve(target, api_key, timeout, credentials, tls)
        self._pool = Pool(
            lambda: _connect(self._connection),
            lambda channel: channel.grpc.close(),
            generation=self._connection.generation,
        )

    @property
    def target(self) -> str:
        """Where the gateway is.

        For example:
            import trunkline

            with trunkline.Client("gateway.example:50051") as client:
                print(client.target)
        """
        return self._connection.target

    @overload
    def complete(
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
    def complete(
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

    def complete(
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
        """The whole answer to `messages`, or to a `request` that holds all of it.

        `messages` is the user's text, or a conversation: trunkline.User(...) and its like, {"role": "user", "content":
        ...}, and messages of the contract such as `answer.message`. A content is text, a pathlib.Path that stands for
        its file, a v1.Media or another block, or a list of them. `timeout` is in seconds, for the whole call;
        `request_id` names it in the gateway's records, a new name is made without it.

        Options (see trunkline.CompletionOptions): tools, tool_choice, response_format, temperature, top_p,
        top_k, min_p, frequency_penalty, presence_penalty, max_output_tokens, stop, seed, reasoning_effort, logprobs,
        labels, idempotency_key, provider_options, routing, timeouts, cache.

        Raises TrunklineError for a call that fails, and TypeError or ValueError, which name the place, for arguments
        that can't be understood. UNAVAILABLE is tried up to 4 times in all, over about 2 seconds.

        For example:
            import json
            import trunkline

            client = trunkline.Client()
            weather = {
                "name": "get_weather",
                "description": "The weather in a city, now.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            }
            messages = [{"role": "user", "content": "Do I need an umbrella in Paris?"}]
            try:
                answer = client.complete("fast", messages, tools=[weather], timeout=60)
                messages.append(answer.message)
                for call in answer.tool_calls:
                    result = {"sky": "rain", **json.loads(call.arguments_json)}
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
                print(client.complete("fast", messages, tools=[weather], timeout=60).text)

                schema = {"type": "object", "properties": {"city": {"type": "string"}}}
                place = client.complete("fast", "Where is the Louvre?", response_format={"name": "p", "schema": schema})
                print(json.loads(place.text)["city"])

                picture = trunkline.v1.Media(uri="https://example.com/cat.png")
                print(client.complete("fast", [{"role": "user", "content": ["What is it?", picture]}]).text)
            except trunkline.RateLimited as error:
                print(error.retry_after)
            except trunkline.TrunklineError as error:
                print(error.code, error.reason, error.request_id)
        """
        built = parts.build_request(model, messages, request, options)
        built, reader = parts.asked(output, built, given=request is not None)
        start = self._connection.start(timeout, request_id)
        return parts.settled(self._unary(start, built, lambda channel: channel.completion.Complete), reader)

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
    ) -> Stream: ...

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
    ) -> Stream[T]: ...

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
    ) -> Stream[Any]:
        """The answer as it comes. Takes what `complete` takes; the deadline is for the whole stream, from now on.

        Options (see trunkline.CompletionOptions): tools, tool_choice, response_format, temperature, top_p,
        top_k, min_p, frequency_penalty, presence_penalty, max_output_tokens, stop, seed, reasoning_effort, logprobs,
        labels, idempotency_key, provider_options, routing, timeouts, cache.

        The stream raises TrunklineError where the call fails, also after a part of the answer. Before the first
        message, UNAVAILABLE is tried up to 4 times in all, over about 2 seconds; after it, never again.

        For example:
            import json
            import trunkline

            client = trunkline.Client()
            weather = {"name": "get_weather", "parameters": {"type": "object"}}
            messages = [{"role": "user", "content": "Do I need an umbrella in Paris?"}]
            try:
                while True:
                    with client.stream("fast", messages, tools=[weather], timeout=60) as stream:
                        for piece in stream.text:
                            print(piece, end="", flush=True)
                        answer = stream.collect()
                    messages.append(answer.message)
                    if not answer.tool_calls:
                        break
                    for call in answer.tool_calls:
                        result = {"sky": "rain", **json.loads(call.arguments_json)}
                        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
            except trunkline.TrunklineError as error:
                print(error.code, error.reason, error.request_id)
        """
        built = parts.build_request(model, messages, request, options)
        built, reader = parts.asked(output, built, given=request is not None)
        start = self._connection.start(timeout, request_id)
        return parts.Stream(start.request_id, lambda: self._open_stream(start, built), reader)

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
    ) -> Run: ...

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
    ) -> Run[T]: ...

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
    ) -> Run[Any]:
        """Turns of the model and of Python functions until it has answered: `tools=[get_weather]`.

        Each turn is a stream. The functions that the model asks for run one after another, in the thread that reads;
        what they return goes back to the model: text, blocks, v1.Media and paths as they are, all else as JSON. What
        they raise goes back too, as "KeyError: 'Paris'", and so do arguments that don't fit their type hints, so the
        model can mend its call. `on_tool_error(call, error)` gives other words for it, or ends the run by raising.

        `output`, and the options of `complete`, hold for every turn, but a `tool_choice` that forces a call holds until
        one was made. `timeout` is in seconds, for all turns and functions together. After `max_turns` turns the run
        ends with TurnLimit. Tools that are no Python functions are the caller's: a run ends with the turn that asks for
        them, and `run.pending` has the calls.

        For example:
            from dataclasses import dataclass

            import trunkline

            @dataclass
            class Advice:
                umbrella: bool
                why: str

            def get_weather(city: str) -> dict[str, float]:
                '''The weather in a city, now.

                :param city: Its name in English.
                '''
                return {"rain_mm": 2.5}

            with trunkline.Client() as client:
                question = "Do I need an umbrella in Paris?"
                with client.run("fast", question, tools=[get_weather], output=Advice, timeout=60) as run:
                    for piece in run.text:
                        print(piece, end="", flush=True)
                    advice = run.collect().output
                print(advice.umbrella, run.usage.output_tokens, len(run.messages))
        """
        deadline = self._connection.start(timeout, None).deadline
        loop = parts.Loop(model, messages, options, max_turns=max_turns, on_tool_error=on_tool_error, deadline=deadline)
        loop.asked, reader = parts.asked(output, loop.asked, given=False)
        return parts.Run(loop, lambda request, seconds: self.stream(request=request, timeout=seconds), reader)

    def embed(
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
            import trunkline

            with trunkline.Client() as client:
                vectors = client.embed("vectors", ["one text", "another"], task="document")
                print(len(vectors), len(vectors[0]), vectors.usage.input_tokens)
        """
        built = parts.embed_request(model, inputs, request, options)
        start = self._connection.start(timeout, request_id)
        return parts.Embeddings(self._unary(start, built, lambda channel: channel.embedding.Embed))

    def count_tokens(
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
            import trunkline

            with trunkline.Client() as client:
                count = client.count_tokens("fast", "Why is the sky blue?")
                print(count.input_tokens, "about" if count.estimated else "exactly")
        """
        built = parts.v1.CountTokensRequest(request=parts.build_request(model, messages, request, options))
        start = self._connection.start(timeout, request_id)
        return parts.TokenCount.of(self._unary(start, built, lambda channel: channel.completion.CountTokens))

    def models(self, *, timeout: float | None = None) -> list[v1.Model]:
        """All models that this key may use, by name.

        For example:
            import trunkline

            with trunkline.Client() as client:
                for model in client.models():
                    print(model.name, model.description)
        """
        start = self._connection.start(timeout, None)
        models: list[v1.Model] = []
        page = parts.v1.ListModelsRequest(page_size=MODELS_PER_PAGE)
        size = 0
        for _ in range(MODEL_PAGES):
            answer = self._unary(start, page, lambda channel: channel.models.ListModels)
            models.extend(answer.models)
            size += answer.ByteSize()
            if size > MODELS_BYTES:
                break
            page.page_token = answer.next_page_token
            if not page.page_token:
                return models
        raise BrokenStream("the list of models does not end", request_id=start.request_id)

    def model(self, name: str, *, timeout: float | None = None) -> v1.Model:
        """One model: what it can do and where it is served. Raises NotFound for one that this key may not use.

        For example:
            import trunkline

            with trunkline.Client() as client:
                model = client.model("fast")
                print(model.description, model.capabilities.context_tokens)
        """
        start = self._connection.start(timeout, None)
        asked = parts.v1.GetModelRequest(name=name)
        answer: v1.GetModelResponse = self._unary(start, asked, lambda channel: channel.models.GetModel)
        return answer.model

    def outcome(
        self, request_id: str | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Outcome:
        """How an earlier call of this key ended, by its request id or its idempotency key, whichever is given.

        Raises NotFound for a call that the gateway does not know, or no longer; it keeps outcomes for an hour.

        For example:
            import trunkline

            with trunkline.Client() as client:
                answer = client.complete("fast", "Say hello.")
                outcome = client.outcome(answer.request_id)
                print(outcome.running, outcome.error, outcome.ended_at)
        """
        asked = parts.outcome_request(request_id, idempotency_key)
        start = self._connection.start(timeout, None)
        return parts.Outcome(self._unary(start, asked, lambda channel: channel.completion.GetOutcome))

    def health(self, service: str = "", *, timeout: float | None = HEALTH_TIMEOUT_S) -> str:
        """How the gateway is: "SERVING", "NOT_SERVING" or "UNKNOWN". Raises NotFound for an unknown service.

        For example:
            import trunkline

            with trunkline.Client() as client:
                print(client.health(), client.health("trunkline.v1.Completion"))
        """
        start = self._connection.start(timeout, None)
        asked = parts.health_pb2.HealthCheckRequest(service=service)
        answer = self._unary(start, asked, lambda channel: channel.health.Check)
        names = parts.health_pb2.HealthCheckResponse.ServingStatus
        return names.Name(answer.status) if answer.status in names.values() else "UNKNOWN"

    def close(self) -> None:
        """Close all connections. Calls in progress fail with Cancelled.

        For example:
            import trunkline

            client = trunkline.Client()
            print(client.complete("fast", "Say hello.").text)
            client.close()  # leaving a `with` does it too
        """
        self._pool.close()

    def _lease(self, start: CallStart) -> Lease[_Channel]:
        try:
            return self._pool.take(start.deadline)
        except TrunklineError as failure:
            failure.request_id = start.request_id
            raise

    def _unary(self, start: CallStart, request: Any, method: Callable[[_Channel], Any]) -> Any:
        with self._lease(start) as channel:
            try:
                answer = method(channel)(request, timeout=start.remaining(), metadata=start.metadata)
            except grpc.RpcError as failure:
                raise parts.error_from_rpc(failure, start.request_id) from failure
            except ValueError:
                self._pool.check_open(start.request_id)
                raise
        return parts.readable(answer, start.request_id)

    def _open_stream(self, start: CallStart, request: v1.CompleteRequest) -> Any:
        lease = self._lease(start)
        try:
            call = lease.connection.completion.StreamComplete(
                request, timeout=start.remaining(), metadata=start.metadata
            )
        except BaseException:
            lease.give_back()
            self._pool.check_open(start.request_id)
            raise
        # The place is free when the call has ended, however it ended; a dropped call is cancelled by gRPC.
        if not call.add_callback(lease.give_back):
            lease.give_back()
        return call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.target}, {self._pool!r})"
