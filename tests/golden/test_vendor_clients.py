"""The vendors' own clients read the golden answers, served over real HTTP, as we do."""

import json
import re
import struct
from typing import Any, cast

import pytest
from google.protobuf import json_format

from tests.fakes import provider as fake
from tests.golden.clients import Said, client_of
from tests.golden.exchange import Exchange
from tests.golden.folders import find
from trunkline import v1
from trunkline.fold import fold
from trunkline_server.providers.registry import ROWS


def in_floats(response: Any) -> bool:
    """Whether vectors are of floats; others come as the provider packs them, which clients pass on as they are."""
    return all(vector["dtype"] == "EMBEDDING_DTYPE_FLOAT32" for vector in response["vectors"])


ALL = find().exchanges


def is_twin(exchange: Exchange) -> bool:
    return ROWS[exchange.dialect.name].speaker == ROWS["openai"].speaker


def whole_body(exchange: Exchange) -> bytes:
    return json.dumps((exchange.upstream_response or {}).get("body")).encode()


def is_of_floats(exchange: Exchange) -> bool:
    return cast(v1.EmbedRequest, exchange.request).dtype in (
        v1.EMBEDDING_DTYPE_UNSPECIFIED,
        v1.EMBEDDING_DTYPE_FLOAT32,
    )


COMPLETIONS = [each for each in ALL if each.verb == "complete"]
PARTS = re.compile(rb'"content":\s*\[')
"""OpenAI's own client reads no content that comes in parts, as some near-twins send it."""
ANSWERS = [
    each
    for each in COMPLETIONS
    if each.response and each.upstream_response and not (is_twin(each) and PARTS.search(whole_body(each)))
]
STREAMS = [
    each
    for each in COMPLETIONS
    if each.stream is not None and not each.error and not (is_twin(each) and PARTS.search(each.stream))
]
FAILURES = [each for each in ALL if each.upstream_response and each.upstream_response["status"] != 200]
EMBEDDINGS = [each for each in ALL if each.verb == "embed" and each.response and in_floats(each.response)]
COUNTS = [each for each in ALL if each.verb == "count" and each.response]
FRAMED = "application/vnd.amazon.eventstream"


def _name(exchange: Exchange) -> str:
    return exchange.name


def serving(exchange: Exchange) -> fake.FakeProvider:
    """A provider that gives the golden whole answer to whoever asks whatever."""
    answer = exchange.upstream_response
    assert answer is not None
    told = {name: value for name, value in answer["headers"].items() if name != "content-length"}
    headers = {"content-type": "application/json", **told}
    return fake.FakeProvider(fake.status(answer["status"], json.dumps(answer["body"]).encode(), headers))


def streaming(exchange: Exchange) -> fake.FakeProvider:
    """A provider that gives the golden streamed answer."""
    assert exchange.stream is not None
    binary = bool(exchange.streamed) and "headers" in exchange.streamed[0]
    kind = FRAMED if binary else "text/event-stream"
    return fake.FakeProvider(fake.status(200, exchange.stream, {"content-type": kind}))


def ours(answer: v1.CompleteResponse) -> Said:
    blocks = answer.message.blocks
    text = "".join(block.text.text for block in blocks)
    return Said(text, tuple(block.tool_call.name for block in blocks if block.HasField("tool_call")))


@pytest.mark.parametrize("exchange", ANSWERS, ids=_name)
async def test_whole_answer(exchange: Exchange) -> None:
    """The vendor's client reads the text and the tool calls that we read."""
    async with serving(exchange) as provider:
        said = await client_of(exchange).whole(provider.base_url)
    assert said == ours(json_format.ParseDict(exchange.response, v1.CompleteResponse()))


@pytest.mark.parametrize("exchange", STREAMS, ids=_name)
async def test_streamed_answer(exchange: Exchange) -> None:
    """The vendor's client reads a stream to its end, and the text and the tool calls in it as we read them."""
    async with streaming(exchange) as provider:
        said = await client_of(exchange).streamed(provider.base_url)
    assert said == ours(fold(json_format.ParseDict(event, v1.StreamEvent()) for event in exchange.events))


@pytest.mark.parametrize("exchange", FAILURES, ids=_name)
async def test_failure(exchange: Exchange) -> None:
    """The vendor's client raises its own error for a golden failure, with the status that we tell."""
    client = client_of(exchange)
    async with serving(exchange) as provider:
        with pytest.raises(client.failure) as caught:
            await client.whole(provider.base_url)
    assert client.status(caught.value) == exchange.error["http_status"]


@pytest.mark.parametrize("exchange", EMBEDDINGS, ids=_name)
async def test_embeddings(exchange: Exchange) -> None:
    """The vendor's client reads the vectors that we read."""
    client: Any = client_of(exchange)
    async with serving(exchange) as provider:
        vectors = await client.vectors(provider.base_url)
    answer = json_format.ParseDict(exchange.response, v1.EmbedResponse())
    assert [_packed(vector) for vector in vectors] == [vector.data for vector in answer.vectors]


def _packed(vector: list[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


@pytest.mark.parametrize("exchange", COUNTS, ids=_name)
async def test_counts(exchange: Exchange) -> None:
    """The vendor's client reads the count that we read."""
    client: Any = client_of(exchange)
    async with serving(exchange) as provider:
        assert await client.count(provider.base_url) == int(exchange.response["inputTokens"])
