"""Callers and providers that mean harm, in all dialects: none holds the loop, writes what it may not, or sees a key."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc
import pytest

from tests.fakes import provider as fake
from tests.running import KEY, completion, reason, running
from trunkline import v1

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


async def failure(channel: grpc.aio.Channel, request: v1.CompleteRequest) -> str:
    """The reason for which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await completion(channel).Complete(request, timeout=20)
    return reason(caught.value)
