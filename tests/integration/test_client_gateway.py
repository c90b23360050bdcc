"""The client against the real gateway, with a provider behind it that does as it is told."""

import asyncio

import pytest

import trunkline
from tests.fakes import provider as fake
from tests.running import one_provider, running


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def client(provider):
    async with running(one_provider(provider.base_url)) as gateway, trunkline.AsyncClient(gateway.target) as one:
        yield one


async def test_an_answer_and_a_conversation(provider, client):
    """complete and stream give the same text, and a message goes back as it came."""
    provider.script = fake.chat(text="Hello there", usage=(9, 3))
    whole = await client.complete("m", "Hi", request_id="r-1")
    assert (whole.text, whole.usage.output_tokens, whole.request_id) == ("Hello there", 3, "r-1")
    history = [{"role": "user", "content": "Hi"}, whole.message, {"role": "user", "content": "And?"}]
    assert (await client.stream("m", history).collect()).text == "Hello there"
    sent = (await provider.seen(2)).json["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]


async def test_a_failure_of_the_gateway_is_an_exception_with_its_reason(client):
    """An unknown model and a wrong field are told by class, reason and field."""
    with pytest.raises(trunkline.NotFound) as caught:
        await client.complete("nope", "Hi", request_id="r-2")
    assert (caught.value.reason, caught.value.domain) == ("MODEL_NOT_FOUND", "trunkline.dev")
    assert caught.value.request_id == "r-2"
    with pytest.raises(trunkline.InvalidRequest) as caught:
        await client.stream("m", "Hi", temperature=float("nan")).collect()
    assert [violation.field for violation in caught.value.violations] == ["sampling.temperature"]


async def test_a_provider_that_breaks_off_is_an_exception_with_what_was_used(provider, client):
    """The text that came is given, then Unavailable tells that content was sent."""
    provider.script = fake.cut(fake.chat(text="Hello there, all of you", chunks=8), at=900)
    pieces = []
    stream = client.stream("m", "Hi")
    with pytest.raises(trunkline.Unavailable) as caught:
        async for piece in stream.text:
            pieces.append(piece)  # noqa: PERF401 - a comprehension would lose them with the failure
    assert "Hello there, all of you".startswith("".join(pieces))
    assert pieces
    assert caught.value.reason == "UPSTREAM_BROKEN"
    assert caught.value.partial.content_sent


async def test_leaving_a_stream_closes_the_providers_connection(provider, client):
    """The caller's cancel goes all the way."""
    provider.script = fake.chat(text="word " * 100, chunks=100, interval_s=0.05)
    async with client.stream("m", "Hi") as stream:
        await anext(stream.text)
    async with asyncio.timeout(5):
        await (await provider.seen(1)).closed.wait()


async def test_a_deadline_of_the_client_ends_a_silent_call(provider, client):
    """A silent provider costs the caller its deadline, and the gateway is the one to say so."""
    provider.script = fake.silent()
    with pytest.raises(trunkline.DeadlineExceeded):
        await client.complete("m", "Hi", timeout=0.5)


async def test_models_and_health(client):
    """models lists the configuration; health says SERVING."""
    (model,) = await client.models()
    assert model.name == "m"
    assert [place.name for place in model.deployments] == ["fake/fake-1"]
    assert await client.health() == "SERVING"
    assert await client.health("trunkline.v1.Completion") == "SERVING"
