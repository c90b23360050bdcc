"""The gateway between its callers and aimock, which others wrote to stand in for every provider.

What is wrong with both our encoder and our decoder in the same way shows here, where somebody else reads and writes.
"""

import struct
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.running import Running, ask, completion, detail, reason, running
from tests.thirdparty.aimock import KEY, serving
from trunkline import v1
from trunkline.fold import fold
from trunkline.v1.embedding_pb2_grpc import EmbeddingStub

GREETING: Final = "Grüß Gott, 日本語 🙂, how can I help you today?"
WEATHER: Final = v1.Tool(
    function=v1.FunctionTool(
        name="get_weather",
        description="Tells the weather of a city.",
        parameters_json_schema=b'{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}',
    )
)
SPEAKERS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "openai": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "openai-responses": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "azure": lambda url: {"base_url": url, "api_key": KEY, "api_version": "2024-10-21"},
    "azure-responses": lambda url: {"base_url": url, "api_key": KEY},
    "anthropic": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "gemini": lambda url: {"base_url": f"{url}/v1beta", "api_key": KEY},
    "vertex": lambda url: {
        "base_url": f"{url}/v1",
        "project": "p",
        "location": "eu",
        "headers": {"authorization": f"Bearer {KEY}"},
    },
    "cohere": lambda url: {"base_url": url, "api_key": KEY},
    "bedrock": lambda url: {"base_url": url, "region": "eu-central-1", "api_key": KEY},
    "ollama": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
}
"""By dialect: the provider as an operator would write it, at aimock's address."""
AROUND: Final = [*pairwise(SPEAKERS), ("ollama", "openai")]
"""Each dialect and another one."""
STREAMING: Final = tuple(name for name in SPEAKERS if name != "bedrock")
"""Its streams as Bedrock are not Bedrock's: aimock 1.43.0 leaves headers out of the frames."""
TELLS_LENGTH: Final = tuple(name for name in SPEAKERS if not name.endswith("-responses"))
"""As OpenAI's Responses API it says that an answer is incomplete, and leaves out why."""
EMBEDDING: Final = ("openai", "azure", "cohere", "ollama")
REASONING: Final = ("anthropic", "gemini", "vertex", "openai-responses")
NATIVE: Final = {"gemini": "FUNCTION_CALL", "vertex": "FUNCTION_CALL"}
"""Finish reasons of calls that Google does not have, and aimock does: its answers end with STOP."""


def document(url: str, **headers: str) -> dict[str, Any]:
    """A configuration with a model for each dialect, called by the dialect's name."""
    own = {name: {"dialect": name, **provider(url)} for name, provider in SPEAKERS.items()}
    for provider in own.values():
        provider["headers"] = {**provider.get("headers", {}), **headers}
    return {
        "providers": own,
        "models": {name: {"deployments": [{"provider": name, "upstream_model": "any"}]} for name in own},
    }


@pytest.fixture(scope="module")
def aimock() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
async def gateway(aimock: str) -> AsyncIterator[Running]:
    async with running(document(aimock)) as one:
        yield one


async def streamed(gateway: Running, request: v1.CompleteRequest) -> list[v1.StreamEvent]:
    async with gateway.channel() as channel:
        return [event async for message in completion(channel).StreamComplete(request) for event in message.events]


async def whole(gateway: Running, request: v1.CompleteRequest) -> v1.CompleteResponse:
    async with gateway.channel() as channel:
        return await completion(channel).Complete(request, timeout=20)


async def failure(gateway: Running, request: v1.CompleteRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await whole(gateway, request)
    return caught.value


def text(answer: v1.CompleteResponse) -> str:
    return "".join(block.text.text for block in answer.message.blocks)


@pytest.mark.parametrize("model", SPEAKERS)
async def test_text(gateway: Running, model: str) -> None:
    """A question brings the answer, its ending and the usage that was reported."""
    answer = await whole(gateway, ask("Please greet me.", model=model))
    assert text(answer) == GREETING
    assert answer.finished.finish_reason == v1.FINISH_REASON_STOP
    assert (answer.finished.usage.input_tokens, answer.finished.usage.output_tokens) == (11, 7)


@pytest.mark.parametrize("model", STREAMING)
async def test_stream(gateway: Running, model: str) -> None:
    """A streamed answer comes in pieces, and says the same as the whole one."""
    events = await streamed(gateway, ask("Please greet me.", model=model))
    answer = fold(events)
    assert sum(event.block_delta.text != "" for event in events) > 1
    assert text(answer) == GREETING
    assert answer.finished.finish_reason == v1.FINISH_REASON_STOP
    assert (answer.finished.usage.input_tokens, answer.finished.usage.output_tokens) == (11, 7)


def calls_of(answer: v1.CompleteResponse) -> list[v1.ToolCall]:
    return [block.tool_call for block in answer.message.blocks if block.HasField("tool_call")]


def results_of(answer: v1.CompleteResponse) -> v1.Message:
    """A result for each of its calls."""
    results = [
        v1.Block(tool_result=v1.ToolResult(tool_call_id=call.id, blocks=[v1.Block(text=v1.Text(text="21 degrees"))]))
        for call in calls_of(answer)
    ]
    return v1.Message(role=v1.ROLE_TOOL, blocks=results)


async def round_trip(
    gateway: Running, model: str, question: str, how: Callable[[Running, v1.CompleteRequest], Any]
) -> tuple[list[v1.ToolCall], str]:
    """The calls that a question brings, and the text that their results bring."""
    request = ask(question, model=model, tools=[WEATHER])
    answer = await how(gateway, request)
    if answer.finished.native_finish_reason != NATIVE.get(model):
        assert answer.finished.finish_reason == v1.FINISH_REASON_TOOL_CALLS
    calls = calls_of(answer)
    request.messages.extend([answer.message, results_of(answer)])
    return calls, text(await how(gateway, request))


async def folded(gateway: Running, request: v1.CompleteRequest) -> v1.CompleteResponse:
    return fold(await streamed(gateway, request))


@pytest.mark.parametrize(("model", "how"), [*((m, whole) for m in SPEAKERS), *((m, folded) for m in STREAMING)])
async def test_tools(gateway: Running, model: str, how: Any) -> None:
    """A tool is called with the arguments as they were written, and its result is understood."""
    [call], said = await round_trip(gateway, model, "What is the weather like in Ulm?", how)
    assert (call.name, call.arguments_json, call.arguments_valid) == ("get_weather", b'{"city":"Ulm"}', True)
    assert said == "It is 21 degrees in Ulm."


@pytest.mark.parametrize(("model", "how"), [*((m, whole) for m in SPEAKERS), *((m, folded) for m in STREAMING)])
async def test_parallel_tools(gateway: Running, model: str, how: Any) -> None:
    """Calls that come together have ids of their own, and their results go back together."""
    calls, said = await round_trip(gateway, model, "Compare two cities.", how)
    assert [call.arguments_json.decode() for call in calls] == ['{"city":"Ulm"}', '{"city":"Zürich"}']
    assert len({call.id for call in calls}) == 2
    assert said == "Both are warm."


@pytest.mark.parametrize(("caller", "answerer"), AROUND)
async def test_conversation_moves(gateway: Running, caller: str, answerer: str) -> None:
    """A call that one provider made and its result are understood by another, in its own form."""
    request = ask("Compare two cities.", model=caller, tools=[WEATHER])
    answer = await whole(gateway, request)
    request.messages.extend([answer.message, results_of(answer)])
    request.model = answerer
    assert text(await whole(gateway, request)) == "Both are warm."


@pytest.mark.parametrize(("broken", "sound"), [("anthropic", "gemini"), ("bedrock", "openai-responses")])
async def test_failover(aimock: str, broken: str, sound: str) -> None:
    """Where one provider fails before its first word, another one of another dialect answers, and the trail says so."""
    written = document(aimock)
    written["providers"][broken].setdefault("headers", {})["x-aimock-chaos-disconnect"] = "1"
    tiers = [{"provider": name, "upstream_model": "any", "tier": tier} for tier, name in enumerate((broken, sound))]
    async with running({**written, "models": {"m": {"deployments": tiers}}}) as gateway:
        answer = await whole(gateway, ask("Please greet me."))
    assert text(answer) == GREETING
    assert answer.started.provider == sound
    assert {tried.deployment for tried in answer.finished.attempts} == {f"{broken}/any", f"{sound}/any"}


async def test_first_token_limit(aimock: str) -> None:
    """A provider that takes its time is cut by the caller's limit for the first token."""
    request = ask("Please greet me.", model="openai")
    request.timeouts.first_token.FromMilliseconds(200)
    async with running(document(aimock, **{"x-aimock-chaos-latency": "20000"})) as gateway:
        assert reason(await failure(gateway, request)) == "FIRST_TOKEN_TIMEOUT"


@pytest.mark.parametrize("model", EMBEDDING)
async def test_embeddings(gateway: Running, model: str) -> None:
    """Inputs become vectors, one for each."""
    inputs = [v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text=each))]) for each in ("A harbour.", "The harbour.")]
    async with gateway.channel() as channel:
        answer = await EmbeddingStub(channel).Embed(v1.EmbedRequest(model=model, inputs=inputs), timeout=20)
    assert [struct.unpack("<3f", vector.data) for vector in answer.vectors] == [(0.25, -0.5, 1.0)] * 2


@pytest.mark.parametrize("model", REASONING)
async def test_reasoning(gateway: Running, model: str) -> None:
    """What the model thought comes before what it says, and the two are told apart."""
    answer = await whole(gateway, ask("Please think first.", model=model))
    assert [block.WhichOneof("kind") for block in answer.message.blocks] == ["reasoning", "text"]
    thought = answer.message.blocks[0].reasoning
    assert (thought.text or thought.summary) == "Two and two are four."
    assert text(answer) == "Four."


@pytest.mark.parametrize("model", TELLS_LENGTH)
async def test_length(gateway: Running, model: str) -> None:
    """An answer that was cut at the output bound says so."""
    answer = await whole(gateway, ask("Tell it at length.", model=model, max_output_tokens=4))
    assert answer.finished.finish_reason == v1.FINISH_REASON_LENGTH


@pytest.mark.parametrize("model", SPEAKERS)
async def test_rate_limit(gateway: Running, model: str) -> None:
    """A 429 is told as the provider's limit, with the time that it asks for, and without its words."""
    error = await failure(gateway, ask("Asked too often.", model=model))
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED")
    retry = detail(error, error_details_pb2.RetryInfo)
    assert retry is not None
    assert 6 <= retry.retry_delay.seconds <= 7
    assert "CANARY" not in str(error)


@pytest.mark.parametrize("model", SPEAKERS)
@pytest.mark.parametrize(
    ("question", "code", "why"),
    [
        ("Talk nonsense.", grpc.StatusCode.INVALID_ARGUMENT, "UPSTREAM_REJECTED"),
        ("Is it broken?", grpc.StatusCode.UNAVAILABLE, "UPSTREAM_FAILED"),
    ],
)
async def test_failures(gateway: Running, model: str, question: str, code: grpc.StatusCode, why: str) -> None:
    """What the provider refuses and where it fails are told apart, without its words."""
    error = await failure(gateway, ask(question, model=model))
    assert (error.code(), reason(error)) == (code, why)
    assert "CANARY" not in str(error)


@pytest.mark.parametrize("model", STREAMING)
async def test_cut_stream(gateway: Running, model: str) -> None:
    """A stream that breaks off brings what came, and then a failure: never an ending."""
    events: list[v1.StreamEvent] = []
    async with gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for message in completion(channel).StreamComplete(ask("Be cut off.", model=model)):
                events += message.events
    assert reason(caught.value) == "UPSTREAM_BROKEN"
    assert "".join(event.block_delta.text for event in events).startswith("The first")
    assert not any(event.HasField("finished") for event in events)


@pytest.mark.parametrize("model", SPEAKERS)
@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("x-aimock-chaos-drop", "UPSTREAM_FAILED"),
        ("x-aimock-chaos-malformed", "UPSTREAM_MALFORMED"),
        ("x-aimock-chaos-disconnect", "UPSTREAM_UNREACHABLE"),
        ("x-aimock-chaos-ratelimit", "UPSTREAM_RATE_LIMITED"),
    ],
)
async def test_chaos(aimock: str, model: str, header: str, why: str) -> None:
    """Whatever goes wrong at the provider is told by its own name."""
    async with running(document(aimock, **{header: "1"})) as gateway:
        assert reason(await failure(gateway, ask("Please greet me.", model=model))) == why


@pytest.mark.parametrize("model", SPEAKERS)
async def test_wrong_key(aimock: str, model: str) -> None:
    """A key that is presented in the provider's own way, and is wrong, is told as a fault of the gateway's account."""
    written = document(aimock)
    wrong = {name: _with_key(provider, "sk-wrong") for name, provider in written["providers"].items()}
    async with running({**written, "providers": wrong}) as gateway:
        error = await failure(gateway, ask("Please greet me.", model=model))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INTERNAL, "UPSTREAM_AUTH_FAILED")


def _with_key(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        return {name: _with_key(each, key) for name, each in node.items()}
    return node.replace(KEY, key) if isinstance(node, str) else node
