"""Vectors by InvokeModel, whose bodies are each vendor's own.

1. Which models there are, and what they take, is the table in vectors.py; another model is refused.
2. Numbers leave as bytes, little endian; as many vectors as inputs, in their order, or the answer is malformed.
3. A type, a length or a purpose that the model does not know is refused: the vectors would be others.

Usage is known of Titan alone: the others tell it in a header (x-amzn-bedrock-input-token-count), which is not read.
"""

import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.bedrock.families import foundation_model
from trunkline_server.providers.bedrock.media import check_address
from trunkline_server.providers.bedrock.request import http_request
from trunkline_server.providers.bedrock.vectors import Vectors, vectors_of
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["BedrockEmbeddings"]

_ARRAYS: Final[Mapping[int, str]] = {
    v1.EMBEDDING_DTYPE_FLOAT32: "f",
    v1.EMBEDDING_DTYPE_INT8: "b",
    v1.EMBEDDING_DTYPE_UINT8: "B",
    v1.EMBEDDING_DTYPE_BINARY: "B",
}
_BITS: Final = 8
_BIT_BY_BIT: Final = "binary"
"""Titan's word for a number for each bit; Cohere's "ubinary" has eight to a number."""
_MAX_VECTORS: Final = 2048


class _Embedding(msgspec.Struct, gc=False):
    """Nova: one of the vectors of one input."""

    embedding: list[float] | None = None


class _Answer(msgspec.Struct, gc=False):
    """What any of the models answers."""

    embedding: list[float] | None = None
    """Titan."""
    embeddingsByType: dict[str, list[float]] | None = None  # noqa: N815 - the wire's own name
    """Titan, by the types asked for."""
    embeddings: list[_Embedding] | dict[str, list[list[float]]] | None = None
    """Nova; Cohere, by the types asked for."""
    inputTextTokenCount: Any = None  # noqa: N815
    """Titan."""


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


class BedrockEmbeddings:
    """The models on Bedrock that make vectors."""

    __slots__ = ()

    def most_inputs(self, deployment: Deployment) -> int:
        """How many inputs one request may hold."""
        vectors = vectors_of(_name(deployment))
        return vectors.most_inputs if vectors else _MAX_VECTORS

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        left_out: list[str] = []
        vectors = _known(deployment)
        for index, each in enumerate(request.inputs):
            for place, block in enumerate(each.blocks):
                check_address(block.media, f"inputs[{index}].blocks[{place}].media", deployment.provider)
        extra = extra_members(
            request.provider_options,
            "bedrock",
            vectors.refused,
            allowed=deployment.provider.allow_provider_options,
            left_out=left_out,
        )
        body = vectors.encode(request, _word(request, vectors), left_out)
        body.update(extra)
        return http_request(deployment, deployment.upstream_model, "invoke", body, left_out)

    def decode(self, body: bytes, request: v1.EmbedRequest, deployment: Deployment) -> v1.EmbedResponse:
        """The vectors. Raises UpstreamMalformed."""
        try:
            answer = _ANSWERS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed() from error
        word = _word(request, _known(deployment))
        rows = _rows(answer, word)
        if len(rows) != len(request.inputs):
            raise UpstreamMalformed(f"the provider sent {len(rows)} vectors for {len(request.inputs)} inputs")
        dtype = request.dtype or v1.EMBEDDING_DTYPE_FLOAT32
        response = v1.EmbedResponse(
            vectors=[_vector(_packed(row) if word == _BIT_BY_BIT else row, dtype) for row in rows],
            served_model=foundation_model(deployment.upstream_model),
        )
        if (count := count_of({"count": answer.inputTextTokenCount}, "count")) is not None:
            response.usage.input_tokens, response.usage.input_source = count, v1.USAGE_SOURCE_PROVIDER
        return response


def _name(deployment: Deployment) -> str:
    return foundation_model(deployment.upstream_model)


def _known(deployment: Deployment) -> Vectors:
    vectors = vectors_of(_name(deployment))
    if vectors is None:
        raise missing("model", "no model on Bedrock that is known to make vectors; ask for another")
    return vectors


def _word(request: v1.EmbedRequest, vectors: Vectors) -> str:
    """The model's word for the type of the numbers."""
    dtype = request.dtype or v1.EMBEDDING_DTYPE_FLOAT32
    if dtype not in vectors.dtypes:
        taken = ", ".join(v1.EmbeddingDtype.Name(each).removeprefix("EMBEDDING_DTYPE_") for each in vectors.dtypes)
        raise missing("dtype", f"this model gives {taken}")
    return vectors.dtypes[dtype]


def _rows(answer: _Answer, word: str) -> Sequence[list[float]]:
    embeddings = answer.embeddings
    if isinstance(embeddings, dict):
        return embeddings.get(word, [])
    if embeddings is not None:
        return [each.embedding or [] for each in embeddings]
    by_type = (answer.embeddingsByType or {}).get(word)
    row = by_type if by_type is not None else answer.embedding if word in ("", "float") else None
    return [] if row is None else [row]


def _vector(row: list[float], dtype: "v1.EmbeddingDtype.ValueType") -> v1.EmbeddingVector:
    kind = _ARRAYS[dtype]
    try:
        data = _bytes(array(kind, row if kind == "f" else map(int, row)))
    except (ValueError, OverflowError, TypeError) as error:
        raise _malformed() from error
    if not data:
        raise _malformed()
    count = len(data) // array(kind).itemsize
    return v1.EmbeddingVector(
        dimensions=count * _BITS if dtype == v1.EMBEDDING_DTYPE_BINARY else count, dtype=dtype, data=data
    )


def _packed(bits: list[float]) -> list[float]:
    """Eight bits to a number. Raises UpstreamMalformed."""
    if len(bits) % _BITS or not all(bit in (0, 1) for bit in bits):
        raise _malformed()
    return [int("".join("1" if bit else "0" for bit in bits[at : at + _BITS]), 2) for at in range(0, len(bits), _BITS)]


def _bytes(numbers: "array[Any]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent vectors that are not in its own format")
