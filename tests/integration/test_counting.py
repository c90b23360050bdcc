"""How many tokens a request would use: estimated where the provider does not count."""

import json

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.fakes.provider import FakeProvider, Handler, Reply, SeenRequest
from tests.running import ask, completion, detail, one_provider, reason, running
from trunkline import v1


@pytest.fixture
async def provider():
    async with FakeProvider() as provider:
        yield provider


@pytest.fixture
async def channel(provider):
    async with running(one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        yield channel


async def count(channel: grpc.aio.Channel, request: v1.CompleteRequest) -> v1.CountTokensResponse:
    return await completion(channel).CountTokens(v1.CountTokensRequest(request=request))


async def test_an_estimate_says_that_it_is_one(provider, channel):
    """A dialect without counting is not asked; the answer is ESTIMATED, and names the model it is for."""
    answer = await count(channel, ask("word " * 400))
    assert answer.source == v1.USAGE_SOURCE_ESTIMATED
    assert 400 <= answer.input_tokens <= 600
    assert answer.served_model == "fake-1"
    assert provider.requests == []


async def test_more_input_counts_for_more(channel):
    """Each of text, tools, pictures and earlier turns adds to the estimate."""
    request = ask("hello")
    counts = [(await count(channel, request)).input_tokens]
    for grow in (
        lambda: request.messages[0].blocks.add(text=v1.Text(text="more " * 50)),
        lambda: request.tools.add(function=v1.FunctionTool(name="look", description="looks " * 20)),
        lambda: request.messages[0].blocks.add(media=v1.Media(mime_type="image/png", data=b"\x89PNG")),
        lambda: request.messages.add(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="Привет, 世界" * 9))]),
    ):
        grow()
        counts.append((await count(channel, request)).input_tokens)
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("spoil", "field", "told"),
    [
        (lambda r: r.ClearField("model"), "request.model", "INVALID_REQUEST"),
        (lambda r: r.messages[0].ClearField("role"), "request.messages[0].role", "INVALID_REQUEST"),
        (
            lambda r: r.provider_options.update({"morse": b"{}"}),
            'request.provider_options["morse"]',
            "PROVIDER_OPTION_REFUSED",
        ),
        (lambda r: setattr(r.sampling, "top_k", 3), "request.sampling.top_k", "CAPABILITY_MISSING"),
        (lambda r: r.stop.extend("abcde"), "request.stop", "CAPABILITY_MISSING"),
    ],
)
async def test_what_could_not_be_sent_is_not_counted(provider, channel, spoil, field, told):
    """It is refused as Complete would refuse it, and the path begins at the request within."""
    request = ask()
    spoil(request)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await count(channel, request)
    assert reason(caught.value) == told
    assert detail(caught.value, error_details_pb2.BadRequest).field_violations[0].field == field
    assert provider.requests == []


def counted(status: int, body: object) -> Handler:
    async def handler(request: SeenRequest, send: Reply) -> None:
        assert request.target.endswith("/count_tokens")
        await send(status, json.dumps(body).encode(), {"content-type": "application/json"})

    return handler


async def claude(script: Handler) -> v1.CountTokensResponse:
    """What a provider that counts is asked for, and the answer."""
    async with FakeProvider(script) as provider:
        document = one_provider(provider.base_url, dialect="anthropic")
        async with running(document) as gateway, gateway.channel() as channel:
            return await count(channel, ask("word " * 400))


async def test_a_provider_that_counts_is_asked():
    """Its number is PROVIDER's."""
    answer = await claude(counted(200, {"input_tokens": 123}))
    assert (answer.input_tokens, answer.source) == (123, v1.USAGE_SOURCE_PROVIDER)


async def test_a_model_that_is_not_counted_is_estimated():
    """Where the operator says that the provider does not count for a model, it is not asked."""
    async with FakeProvider(counted(200, {"input_tokens": 123})) as provider:
        document = one_provider(provider.base_url, dialect="anthropic")
        document["models"]["m"]["deployments"][0]["capabilities"] = {"counts_tokens": False}
        async with running(document) as gateway, gateway.channel() as channel:
            answer = await count(channel, ask("word " * 400))
        assert (answer.source, provider.requests) == (v1.USAGE_SOURCE_ESTIMATED, [])


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_a_provider_that_fails_to_count_does_not_fail_the_call(status):
    """There is an estimate, which says that it is one."""
    answer = await claude(counted(status, {"type": "error", "error": {"type": "some_error", "message": "no"}}))
    assert answer.source == v1.USAGE_SOURCE_ESTIMATED
    assert 400 <= answer.input_tokens <= 600
