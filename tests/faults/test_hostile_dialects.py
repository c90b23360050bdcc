"""Callers and providers that mean harm, in all dialects: none holds the loop, writes what it may not, or sees a key."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any, Final

import grpc
import pytest
from google.rpc import error_details_pb2
from loguru import logger

from tests.fakes import provider as fake
from tests.running import KEY, completion, detail, reason, running
from trunkline import v1
from trunkline_server.routing import router

SPEAKERS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "openai": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "openai-responses": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "azure": lambda url: {"base_url": url, "api_key": KEY},
    "anthropic": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    "gemini": lambda url: {"base_url": f"{url}/v1beta", "api_key": KEY},
    "vertex": lambda url: {"base_url": f"{url}/v1", "project": "p", "headers": {"authorization": f"Bearer {KEY}"}},
    "bedrock": lambda url: {"base_url": url, "region": "eu-central-1", "api_key": KEY},
    "cohere": lambda url: {"base_url": url, "api_key": KEY},
    "ollama": lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
}
"""By dialect, the provider as an operator would write it, at the fake's address."""
MOST_BLOCKS: Final = 16_000
"""Of one request; a little below the bound."""


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


def document(url: str, **fields: Any) -> dict[str, Any]:
    """A model for each dialect, called by its name."""
    return {
        "providers": {name: {"dialect": name, **speaker(url), **fields} for name, speaker in SPEAKERS.items()},
        "models": {
            name: {
                "deployments": [{"provider": name, "upstream_model": "anthropic.any" if name == "bedrock" else "any"}]
            }
            for name in SPEAKERS
        },
    }


def turn(role: "v1.Role.ValueType", *blocks: v1.Block) -> v1.Message:
    return v1.Message(role=role, blocks=blocks)


def text(words: str) -> v1.Block:
    return v1.Block(text=v1.Text(text=words))


def documents_of_one_name() -> v1.CompleteRequest:
    media = v1.Media(mime_type="text/plain", data=b"a", name="a")
    return v1.CompleteRequest(
        messages=[turn(v1.ROLE_USER, text("Read."), *[v1.Block(media=media)] * (MOST_BLOCKS - 1))]
    )


def thoughts(**fields: Any) -> Callable[[str], v1.CompleteRequest]:
    def made(format_: str) -> v1.CompleteRequest:
        thought = v1.Block(
            reasoning=v1.Reasoning(text="x" * 700, **fields), signature=b"c2ln", origin=v1.Origin(format=format_)
        )
        answered = turn(v1.ROLE_ASSISTANT, *[thought] * (MOST_BLOCKS - 2))
        return v1.CompleteRequest(messages=[turn(v1.ROLE_USER, text("Go.")), answered, turn(v1.ROLE_USER, text("On."))])

    return made


LARGE: Final[dict[str, Callable[[str], v1.CompleteRequest]]] = {
    "documents of one name": lambda _: documents_of_one_name(),
    "thoughts": thoughts(),
    "plans": thoughts(id="tool_plan"),
}


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        ("anthropic", "thoughts"),
        ("bedrock", "documents of one name"),
        ("bedrock", "thoughts"),
        ("cohere", "documents of one name"),
        ("cohere", "plans"),
        ("gemini", "thoughts"),
    ],
)
async def test_no_request_holds_the_loop(provider, dialect, kind):
    """As many blocks as a request may have take a dialect a second or so, and not their number squared."""
    provider.script = fake.status(400)
    request = LARGE[kind](dialect)
    request.model = dialect
    loop = asyncio.get_running_loop()
    async with (
        running(document(provider.base_url)) as gateway,
        gateway.channel(**{"grpc.max_send_message_length": -1}) as channel,
    ):
        started = loop.time()
        await asyncio.wait([asyncio.ensure_future(completion(channel).Complete(request))])
        assert loop.time() - started < 5


@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_brackets_without_end_are_the_callers_fault(provider, dialect):
    """What validation can just read, a dialect that reads it again from deeper within our calls can read too."""
    provider.script = fake.status(400)
    reasons = set()
    async with (
        running(document(provider.base_url, allow_provider_options=True)) as gateway,
        gateway.channel() as channel,
    ):
        for depth in (*range(900, 1000, 3), 100_000):
            deep = b'{"a":' * depth + b"1" + b"}" * depth
            tool = v1.Tool(provider=v1.ProviderTool(dialect=dialect, type="t", config_json=deep))
            for fields in ({"provider_options": {dialect: deep}}, {"tools": [tool]}):
                request = v1.CompleteRequest(model=dialect, messages=[turn(v1.ROLE_USER, text("Go."))], **fields)
                reasons.add(await failure(channel, request))
    assert reasons <= {"INVALID_REQUEST", "CAPABILITY_MISSING", "PROVIDER_OPTION_REFUSED", "UPSTREAM_REJECTED"}


@pytest.mark.parametrize("dialect", ["openai", "openai-responses", "azure", "anthropic", "cohere", "ollama"])
async def test_no_spelling_lets_callers_choose_what_the_gateway_chooses(provider, dialect):
    """Servers written in Go know members in any case, and the last one counts: callers could ask for another model."""
    said = turn(v1.ROLE_USER, text("Go."))
    async with (
        running(document(provider.base_url, allow_provider_options=True)) as gateway,
        gateway.channel() as channel,
    ):
        for member in ("Model", "MODEL", "\\u006dodel", "\\u017ftream", "Messages"):
            options = {dialect: f'{{"x": 1, "{member}": "other"}}'.encode()}
            request = v1.CompleteRequest(model=dialect, messages=[said], provider_options=options)
            assert await failure(channel, request) == "PROVIDER_OPTION_REFUSED", member
    assert not provider.requests


def openai_end() -> list[dict[str, Any]]:
    said = {"index": 0, "delta": {"content": "Hi"}}
    return [
        {"id": "x", "choices": [said]},
        {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]


def anthropic_end() -> list[dict[str, Any]]:
    return [
        {"type": "message_start", "message": {"id": "x", "model": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    ]


def gemini_end() -> list[dict[str, Any]]:
    return [{"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}]


@pytest.mark.parametrize(
    ("dialect", "frames"), [("openai", openai_end()), ("anthropic", anthropic_end()), ("gemini", gemini_end())]
)
async def test_a_whole_answer_is_not_held_back_by_signs_of_life(provider, dialect, frames, monkeypatch):
    """A proxy that keeps the stream alive after the finish reason would hold the answer to the caller's deadline."""
    monkeypatch.setattr(router, "ENDING_S", 0.2)

    async def lives_on(request: fake.SeenRequest, send: fake.Reply) -> None:
        await send.head()
        for frame in frames:
            await send.chunk(fake.sse(frame))
        while True:
            await asyncio.sleep(0.05)
            await send.chunk(b": still here\n\n")

    provider.script = lives_on
    request = v1.CompleteRequest(model=dialect, messages=[turn(v1.ROLE_USER, text("Go."))])
    async with running(document(provider.base_url)) as gateway, gateway.channel() as channel:
        call = completion(channel).StreamComplete(request, timeout=5)
        events = [event async for message in call for event in message.events]
        await asyncio.wait_for((await provider.seen(1)).closed.wait(), 5)
    assert events[-1].finished.finish_reason == v1.FINISH_REASON_STOP


@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_a_limit_is_heeded_though_a_proxy_packed_its_words(provider, dialect):
    """Whoever is to be left alone for a while is asked once, and the caller learns for how long."""
    words = gzip.compress(b'{"error": {"message": "slow down"}}')
    provider.script = fake.status(429, words, {"content-encoding": "gzip", "retry-after": "7"})
    request = v1.CompleteRequest(model=dialect, messages=[turn(v1.ROLE_USER, text("Go."))])
    async with running(document(provider.base_url)) as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(request, timeout=20)
    assert reason(caught.value) == "UPSTREAM_RATE_LIMITED"
    assert detail(caught.value, error_details_pb2.RetryInfo).retry_delay.seconds == 7
    assert len(provider.requests) == 1


def quoting(status: int) -> fake.Handler:
    """A failure that has the key wherever a dialect looks for something to tell."""
    error = {"message": f"wrong key {KEY}", "code": KEY, "type": KEY, "status": KEY, "param": KEY}
    body = {"type": "error", "error": error, "message": KEY, "code": KEY, "__type": KEY, "id": KEY}
    return fake.status(status, body, {"x-request-id": KEY, "x-amzn-errortype": KEY, "retry-after": KEY})


@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_no_failure_brings_the_key_out(provider, dialect, caplog):
    """Neither in the status, its details and the trail, nor in a line of the log."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    said = turn(v1.ROLE_USER, text("Go."))
    async with running(document(provider.base_url)) as gateway, gateway.channel() as channel:
        for status in (200, 400, 401, 429, 503):
            provider.script = quoting(status)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await completion(channel).Complete(v1.CompleteRequest(model=dialect, messages=[said]), timeout=20)
            assert KEY not in f"{caught.value.details()} {caught.value.trailing_metadata()}"
    logger.remove(sink)
    assert lines
    assert KEY not in "".join(lines) + caplog.text


async def failure(channel: grpc.aio.Channel, request: v1.CompleteRequest) -> str:
    """The reason for which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await completion(channel).Complete(request, timeout=20)
    return reason(caught.value)
