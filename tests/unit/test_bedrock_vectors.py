"""How Bedrock's models are asked for vectors, and what is made of their answers."""

import json
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import GatewayError, UpstreamMalformed
from trunkline_server.providers.dialects import DIALECTS

EMBEDDINGS = DIALECTS["bedrock"].embeddings
CLAUDE = next(each.deployment for each in find().exchanges if each.name == "bedrock/text")
TITAN = "amazon.titan-embed-text-v2:0"
OLD_TITAN = "amazon.titan-embed-text-v1"
TITAN_IMAGE = "amazon.titan-embed-image-v1"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
COHERE = "us.cohere.embed-v4:0"
OLD_COHERE = "cohere.embed-english-v3"
PICTURE = v1.Block(media=v1.Media(mime_type="image/png", data=b"1"))
SOUND = v1.Block(media=v1.Media(mime_type="audio/wav", data=b"1"))
FILM = v1.Block(media=v1.Media(mime_type="video/mp4", uri="s3://a/b.mp4"))


def at(model: str) -> Deployment:
    """A deployment of this model, open to provider options."""
    return replace(CLAUDE, upstream_model=model, provider=replace(CLAUDE.provider, allow_provider_options=True))


def inputs(*blocks: v1.Block | str) -> list[v1.EmbedInput]:
    """An input of each."""
    made = [v1.Block(text=v1.Text(text=block)) if isinstance(block, str) else block for block in blocks]
    return [v1.EmbedInput(blocks=[block]) for block in made]


def sent(model: str, *blocks: v1.Block | str, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Body and paths left out."""
    assert EMBEDDINGS is not None
    made = EMBEDDINGS.encode(v1.EmbedRequest(model="e", inputs=inputs(*blocks or ("Hi",)), **more), at(model))
    return json.loads(made.body), made.left_out


def got(model: str, body: Any, count: int = 1, **more: Any) -> v1.EmbedResponse:
    """What an answer comes to."""
    assert EMBEDDINGS is not None
    request = v1.EmbedRequest(model="e", inputs=inputs(*["Hi"] * count), **more)
    return EMBEDDINGS.decode(json.dumps(body).encode(), request, at(model))


@pytest.mark.parametrize(
    ("model", "blocks", "more", "field"),
    [
        ("anthropic.claude-opus-5-v1:0", (), {}, "model"),
        (TITAN, (), {"dtype": v1.EMBEDDING_DTYPE_INT8}, "dtype"),
        (OLD_TITAN, (), {"dtype": v1.EMBEDDING_DTYPE_BINARY}, "dtype"),
        (OLD_TITAN, (), {"dimensions": 256}, "dimensions"),
        (OLD_COHERE, (), {"dimensions": 256}, "dimensions"),
        (TITAN, (), {"task": v1.EMBEDDING_TASK_QUERY}, "task"),
        (COHERE, (), {"task": v1.EMBEDDING_TASK_SIMILARITY}, "task"),
        (NOVA, (), {"task": v1.EMBEDDING_TASK_SIMILARITY}, "task"),
        (TITAN, (), {"truncate": True}, "truncate"),
        (TITAN, (PICTURE,), {}, "inputs[0].blocks"),
        (COHERE, ("Hi", PICTURE), {}, "inputs[1].blocks"),
        (TITAN_IMAGE, (SOUND,), {}, "inputs[0].blocks[0].media.mime_type"),
        (TITAN, (), {"provider_options": {"bedrock": b'{"inputText": "x"}'}}, 'provider_options["bedrock"].inputText'),
        (COHERE, (), {"provider_options": {"bedrock": b'{"truncate": "x"}'}}, 'provider_options["bedrock"].truncate'),
    ],
)
def test_refused(model: str, blocks: tuple[Any, ...], more: dict[str, Any], field: str) -> None:
    """What a model does not know of types, lengths, purposes and media is refused, naming the field."""
    with pytest.raises(GatewayError) as caught:
        sent(model, *blocks, **more)
    assert caught.value.violations[0].field == field


def test_parts() -> None:
    """Cohere takes 96 inputs in one request, the others one."""
    assert EMBEDDINGS is not None
    assert [EMBEDDINGS.most_inputs(at(model)) for model in (COHERE, OLD_COHERE, TITAN, NOVA)] == [96, 96, 1, 1]


def test_options_and_hints() -> None:
    """Members that the dialect does not write are added; a hint that says what holds anyway is named."""
    body, left_out = sent(TITAN, truncate=False, provider_options={"bedrock": b'{"normalize": false}'})
    assert body == {"inputText": "Hi", "embeddingTypes": ["float"], "normalize": False}
    assert left_out == ("truncate",)


@pytest.mark.parametrize(
    ("block", "params"),
    [
        ("Hi", {"text": {"truncationMode": "NONE", "value": "Hi"}}),
        (PICTURE, {"image": {"format": "png", "source": {"bytes": "MQ=="}}}),
        (SOUND, {"audio": {"format": "wav", "source": {"bytes": "MQ=="}}}),
        (
            FILM,
            {
                "video": {
                    "format": "mp4",
                    "source": {"s3Location": {"uri": "s3://a/b.mp4"}},
                    "embeddingMode": "AUDIO_VIDEO_COMBINED",
                }
            },
        ),
    ],
)
def test_media_for_nova(block: Any, params: dict[str, Any]) -> None:
    """Nova makes one vector of a text, a picture, a sound or a film."""
    body, _ = sent(NOVA, block, task=v1.EMBEDDING_TASK_CLUSTERING)
    wanted = {"embeddingPurpose": "CLUSTERING", **params}
    assert body == {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": wanted}


@pytest.mark.parametrize(
    ("model", "dtype", "word", "row", "data", "dimensions"),
    [
        (COHERE, v1.EMBEDDING_DTYPE_FLOAT32, "float", [0.5, -2], struct.pack("<2f", 0.5, -2), 2),
        (COHERE, v1.EMBEDDING_DTYPE_INT8, "int8", [127, -128], b"\x7f\x80", 2),
        (COHERE, v1.EMBEDDING_DTYPE_UINT8, "uint8", [0, 255], b"\x00\xff", 2),
        (COHERE, v1.EMBEDDING_DTYPE_BINARY, "ubinary", [1, 0], b"\x01\x00", 16),
    ],
)
def test_types_of_cohere(model: str, dtype: Any, word: str, row: list[Any], data: bytes, dimensions: int) -> None:
    """Each type is asked for by the model's word, and its numbers leave as bytes."""
    assert sent(model, dtype=dtype)[0]["embedding_types"] == [word]
    answer = got(model, {"embeddings": {word: [row, row]}, "response_type": "embeddings_by_type"}, 2, dtype=dtype)
    assert list(answer.vectors) == [v1.EmbeddingVector(dimensions=dimensions, dtype=dtype, data=data)] * 2
    assert answer.served_model == "cohere.embed-v4:0"
    assert not answer.HasField("usage")


def test_bits_of_titan() -> None:
    """Titan gives a number for each bit; eight are a byte, the first the highest."""
    assert sent(TITAN, dtype=v1.EMBEDDING_DTYPE_BINARY)[0]["embeddingTypes"] == ["binary"]
    body = {"embeddingsByType": {"binary": [1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1]}, "inputTextTokenCount": 5}
    answer = got(TITAN, body, dtype=v1.EMBEDDING_DTYPE_BINARY)
    assert answer.vectors[0] == v1.EmbeddingVector(dimensions=16, dtype=v1.EMBEDDING_DTYPE_BINARY, data=b"\x81\x7f")
    assert answer.usage == v1.Usage(input_tokens=5, input_source=v1.USAGE_SOURCE_PROVIDER)


@pytest.mark.parametrize(
    ("model", "body", "more"),
    [
        (TITAN, {}, {}),
        (TITAN, {"embedding": []}, {}),
        (TITAN, {"embedding": "x"}, {}),
        (TITAN, {"embedding": [1]}, {"dtype": v1.EMBEDDING_DTYPE_BINARY}),
        (TITAN, {"embeddingsByType": {"binary": [1, 0, 2, 0, 0, 0, 0, 0]}}, {"dtype": v1.EMBEDDING_DTYPE_BINARY}),
        (TITAN, {"embeddingsByType": {"binary": [1, 0]}}, {"dtype": v1.EMBEDDING_DTYPE_BINARY}),
        (NOVA, {"embeddings": []}, {}),
        (NOVA, {"embeddings": [{}]}, {}),
        (COHERE, {"embeddings": {"int8": [[1]]}}, {}),
        (COHERE, {"embeddings": {"float": [[1], [2]]}}, {}),
        (COHERE, {"embeddings": {"int8": [[128]]}}, {"dtype": v1.EMBEDDING_DTYPE_INT8}),
        (COHERE, {"embeddings": {"float": [[1e400]]}}, {}),
        (COHERE, [], {}),
    ],
)
def test_malformed(model: str, body: Any, more: dict[str, Any]) -> None:
    """Numbers that are none of the type, and another number of vectors than inputs, are malformed."""
    with pytest.raises(UpstreamMalformed):
        got(model, body, **more)


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b'{"inputTokens": -1}', b'{"inputTokens": "7"}'])
def test_counts_that_are_none(body: bytes) -> None:
    """A count that is none is malformed."""
    counting = DIALECTS["bedrock"].counting
    assert counting is not None
    with pytest.raises(UpstreamMalformed):
        counting.decode(body, at("anthropic.claude-opus-5-v1:0"))
