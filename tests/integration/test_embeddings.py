"""Vectors through the gateway: whole batches, batches in parts, and what becomes of failures."""

import asyncio
import base64
import json
import struct
from typing import Any

import grpc
import msgspec
import pytest
from google.rpc import error_details_pb2

from tests.fakes.provider import FakeProvider, Handler, Reply, SeenRequest
from tests.running import KEY, detail, reason, running
from trunkline import v1
from trunkline.v1.embedding_pb2_grpc import EmbeddingStub

AT_ONCE = 4
TITAN = "amazon.titan-embed-text-v2:0"
"""Takes one text a request."""


def document(*base_urls: str, dialect: str = "bedrock", model: str = TITAN) -> dict[str, Any]:
    """A configuration with the model "e" at these providers, one after the other."""
    region = {"region": "eu-central-1"} if dialect == "bedrock" else {}
    return {
        "providers": {
            f"p{tier}": {"dialect": dialect, "base_url": url, "api_key": KEY, **region}
            for tier, url in enumerate(base_urls)
        },
        "models": {
            "e": {
                "deployments": [
                    {"provider": f"p{tier}", "upstream_model": model, "tier": tier} for tier in range(len(base_urls))
                ]
            }
        },
    }


def asking(count: int, **fields: Any) -> v1.EmbedRequest:
    """A batch of so many inputs: "0", "1", ..."""
    inputs = [v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text=str(number)))]) for number in range(count)]
    return v1.EmbedRequest(model="e", inputs=inputs, **fields)


def titan(*, refuses: str = "", together: asyncio.Semaphore | None = None) -> Handler:
    """Makes of the text "7" the vector [7, 1] for 3 tokens. `refuses`: the text that meets the rate limit."""

    async def handler(request: SeenRequest, send: Reply) -> None:
        text = request.json["inputText"]
        if text == refuses:
            await send(429, b'{"message": "slow down"}', {"x-amzn-errortype": "ThrottlingException"})
            return
        if together is not None:
            assert not together.locked(), "more requests at once than promised"
            async with together:
                await asyncio.sleep(0.01 / (1 + int(text)))  # the later ones are done first
        vector = [float(text), 1.0]
        answer = {"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": 3}
        await send(200, json.dumps(answer).encode())

    return handler


def numbers(answer: v1.EmbedResponse) -> list[float]:
    """The first number of each vector."""
    return [struct.unpack("<2f", vector.data)[0] for vector in answer.vectors]


async def test_a_batch_in_parts_comes_back_whole_and_in_order():
    """Thirty inputs at a provider that takes one: thirty requests, at most four at once, one answer with the sum."""
    async with FakeProvider(titan(together=asyncio.Semaphore(AT_ONCE))) as provider:
        async with running(document(provider.base_url)) as gateway, gateway.channel() as channel:
            answer = await EmbeddingStub(channel).Embed(asking(30))
        assert len(provider.requests) == 30
    assert numbers(answer) == [float(number) for number in range(30)]
    assert (answer.usage.input_tokens, answer.usage.input_source) == (90, v1.USAGE_SOURCE_PROVIDER)
    assert (answer.model, answer.request_id != "") == ("e", True)
    [tried] = answer.attempts
    assert (tried.deployment, tried.outcome) == (f"p0/{TITAN}", v1.ATTEMPT_OUTCOME_SERVED)
    assert tried.usage.input_tokens == 90


async def test_a_part_that_fails_takes_the_batch_elsewhere():
    """All of it is asked for again at the next deployment, and both tries are told."""
    async with FakeProvider(titan(refuses="6")) as first, FakeProvider(titan()) as second:
        both = document(first.base_url, second.base_url)
        async with running(both) as gateway, gateway.channel() as channel:
            answer = await EmbeddingStub(channel).Embed(asking(8))
        assert len(second.requests) == 8
    assert numbers(answer) == [float(number) for number in range(8)]
    assert [tried.outcome for tried in answer.attempts] == [v1.ATTEMPT_OUTCOME_FAILED, v1.ATTEMPT_OUTCOME_SERVED]
    assert answer.attempts[0].reason == "UPSTREAM_RATE_LIMITED"


async def test_a_batch_that_fails_fails_as_a_whole():
    """Where no deployment is left, the failure of the part is the call's."""
    async with (
        FakeProvider(titan(refuses="3")) as provider,
        running(document(provider.base_url)) as gateway,
        gateway.channel() as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EmbeddingStub(channel).Embed(asking(8))
    assert reason(caught.value) == "UPSTREAM_RATE_LIMITED"


async def test_a_caller_that_goes_away_closes_every_part():
    """No request of a cancelled batch stays open at the provider."""

    async def silent(request: SeenRequest, send: Reply) -> None:
        if request.json["inputText"] == "0":
            await titan()(request, send)
        else:
            await send.stall()

    async with (
        FakeProvider(silent) as provider,
        running(document(provider.base_url)) as gateway,
        gateway.channel() as channel,
    ):
        call = EmbeddingStub(channel).Embed(asking(30))
        await provider.seen(1 + AT_ONCE)
        call.cancel()
        await asyncio.gather(*(request.closed.wait() for request in provider.requests[1:]))
        assert len(provider.requests) == 1 + AT_ONCE


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
async def test_the_largest_batch_of_long_vectors_comes_back(dialect):
    """The answer to 2,048 inputs would be longer than any answer may be, so it is asked for in parts."""
    numbers = struct.pack("<3072f", *range(3072))
    vector = base64.b64encode(numbers).decode() if dialect == "openai" else [0.0123456789012345] * 3072

    async def handler(request: SeenRequest, send: Reply) -> None:
        items = [{"index": place, "embedding": vector} for place in range(len(request.json["input"]))]
        await send(200, msgspec.json.encode({"data": items, "usage": {"prompt_tokens": 2}}))

    async with (
        FakeProvider(handler) as provider,
        running(document(f"{provider.base_url}/v1", dialect=dialect)) as gateway,
        gateway.channel(**{"grpc.max_receive_message_length": -1}) as channel,
    ):
        answer = await EmbeddingStub(channel).Embed(asking(2048))
    assert [vector.dimensions for vector in answer.vectors] == [3072] * 2048
    assert answer.usage.input_tokens == 2 * len(provider.requests)


async def test_counts_beyond_every_bound_are_not_known():
    """Two parts that each claim as many tokens as a count can hold have no sum, and cost no answer."""

    async def handler(request: SeenRequest, send: Reply) -> None:
        answer = {
            "embeddings": {"float": [[1.0, 2.0]] * len(request.json["texts"])},
            "meta": {"billed_units": {"input_tokens": 2**63 - 1}},
        }
        await send(200, json.dumps(answer).encode())

    async with (
        FakeProvider(handler) as provider,
        running(document(provider.base_url, dialect="cohere")) as gateway,
        gateway.channel() as channel,
    ):
        answer = await EmbeddingStub(channel).Embed(asking(200))
    assert len(answer.vectors) == 200
    assert not answer.usage.HasField("input_tokens")


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda r: r.ClearField("model"), "model"),
        (lambda r: r.ClearField("inputs"), "inputs"),
        (lambda r: r.inputs.extend([r.inputs[0]] * 2048), "inputs"),
        (lambda r: r.inputs.add(), "inputs[1].blocks"),
        (lambda r: r.inputs.add(blocks=[v1.Block(text=v1.Text())]), "inputs[1].blocks[0].text.text"),
        (lambda r: r.inputs.add(blocks=[v1.Block(tool_call=v1.ToolCall(id="1"))]), "inputs[1].blocks[0]"),
        (lambda r: r.inputs.add(blocks=[v1.Block(media=v1.Media(data=b"1"))]), "inputs[1].blocks[0].media.mime_type"),
        (lambda r: setattr(r, "dimensions", 0), "dimensions"),
        (lambda r: setattr(r, "dtype", 99), "dtype"),
        (lambda r: setattr(r, "task", 99), "task"),
        (lambda r: r.labels.update({"Team": "x"}), "labels"),
        (lambda r: setattr(r, "idempotency_key", "once"), "idempotency_key"),
    ],
)
async def test_a_wrong_request_names_the_field(spoil, field):
    """Nothing is asked of a provider, and BadRequest says where."""
    async with FakeProvider(titan()) as provider:
        async with running(document(provider.base_url)) as gateway, gateway.channel() as channel:
            request = asking(1)
            spoil(request)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await EmbeddingStub(channel).Embed(request)
        assert provider.requests == []
    assert detail(caught.value, error_details_pb2.BadRequest).field_violations[0].field == field


async def test_a_provider_without_vectors_is_told_by_name():
    """A dialect that makes none refuses before a socket opens, and names the model."""
    async with FakeProvider() as provider:
        document_ = document(provider.base_url, dialect="anthropic", model="some-model")
        async with running(document_) as gateway, gateway.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await EmbeddingStub(channel).Embed(asking(1))
        assert provider.requests == []
    assert reason(caught.value) == "CAPABILITY_MISSING"
    assert detail(caught.value, error_details_pb2.BadRequest).field_violations[0].field == "model"
