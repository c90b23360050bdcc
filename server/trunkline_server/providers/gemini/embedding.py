"""Vectors at the Gemini API: models.batchEmbedContents.

1. Numbers come as 32-bit floats; other types are refused.
2. An input may hold text and media, which become one vector together, where the model takes them.

Source: the discovery document, v1beta, revision 20260529. The bound on a batch is the provider's own message: "at most
100 requests can be in one batch" (https://github.com/geldata/gel/issues/9032).
"""

import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.gemini.endings import usage_of
from trunkline_server.providers.gemini.errors import reported_error
from trunkline_server.providers.gemini.media import MediaParts
from trunkline_server.providers.gemini.options import Options
from trunkline_server.providers.gemini.paths import model_path
from trunkline_server.providers.gemini.request import post
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.gemini.wire import decoded
from trunkline_server.providers.refusal import missing

__all__ = ["TASKS", "GeminiEmbeddings", "InputParts", "check_dtype", "vector_of"]

_MOST_INPUTS: Final = 100

TASKS: Final[Mapping[int, str]] = {
    v1.EMBEDDING_TASK_QUERY: "RETRIEVAL_QUERY",
    v1.EMBEDDING_TASK_DOCUMENT: "RETRIEVAL_DOCUMENT",
    v1.EMBEDDING_TASK_SIMILARITY: "SEMANTIC_SIMILARITY",
    v1.EMBEDDING_TASK_CLASSIFICATION: "CLASSIFICATION",
    v1.EMBEDDING_TASK_CLUSTERING: "CLUSTERING",
}


class _Embedding(msgspec.Struct, gc=False):
    values: list[float] | None = None


class _Answer(msgspec.Struct, gc=False):
    embeddings: list[_Embedding] | None = None
    usageMetadata: Any = None  # noqa: N815 - the wire's own name
    error: Any = None


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


class GeminiEmbeddings:
    """Vectors at the Gemini API."""

    __slots__ = ("_ways",)

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def most_inputs(self, deployment: Deployment) -> int:  # noqa: ARG002 - the same for all models
        """How many inputs one request may hold."""
        return _MOST_INPUTS

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        left_out: list[str] = []
        allowed = deployment.provider.allow_provider_options
        options = Options(request.provider_options, self._ways, allowed=allowed, left_out=left_out)
        check_dtype(request)
        model = model_path(deployment.upstream_model)
        more: dict[str, Any] = {}
        if task := TASKS.get(request.task):
            more["taskType"] = task
        if request.HasField("dimensions"):
            more["outputDimensionality"] = request.dimensions
        if request.HasField("truncate"):
            more["embedContentConfig"] = {"autoTruncate": request.truncate}
        parts = InputParts(deployment, self._ways, left_out)
        body = {
            "requests": [
                {"model": model, "content": {"parts": parts.of(index, each)}, **more}
                for index, each in enumerate(request.inputs[:])
            ]
        }
        options.add_to(body)
        return post(deployment.provider, f"/{model}:batchEmbedContents", body, left_out=left_out)

    def decode(self, body: bytes, request: v1.EmbedRequest, deployment: Deployment) -> v1.EmbedResponse:
        """The vectors, in order. Raises UpstreamError."""
        answer = decoded(_ANSWERS, body)
        if answer.error:
            raise reported_error(body)
        vectors = [vector_of(each.values) for each in answer.embeddings or ()]
        if len(vectors) != len(request.inputs):
            raise UpstreamMalformed("the provider sent another number of vectors than there were inputs")
        response = v1.EmbedResponse(vectors=vectors, served_model=deployment.upstream_model)
        if usage := usage_of(answer.usageMetadata):
            response.usage.CopyFrom(usage)
        return response


class InputParts:
    """Writes inputs as parts. Paths of fields that have no place go to `left_out`."""

    __slots__ = ("_left_out", "_media")

    def __init__(self, deployment: Deployment, ways: Ways, left_out: list[str]) -> None:
        self._left_out = left_out
        self._media = MediaParts(deployment, ways, left_out)

    def of(self, index: int, given: v1.EmbedInput) -> list[dict[str, Any]]:
        """The parts of one input. Raises CapabilityMissing."""
        return [self._part(f"inputs[{index}].blocks[{place}]", block) for place, block in enumerate(given.blocks[:])]

    def _part(self, path: str, block: v1.Block) -> dict[str, Any]:
        hanging = (block.signature, len(block.logprobs), block.HasField("cache_mark"))
        names = compress(("signature", "logprobs", "cache_mark"), hanging)
        self._left_out += [f"{path}.{name}" for name in names]
        match block.WhichOneof("kind"):
            case "text":
                if block.text.citations:
                    self._left_out.append(f"{path}.text.citations")
                return {"text": block.text.text}
            case "media":
                return self._media.part(block, f"{path}.media")
            case kind:
                raise missing(f"{path}.{kind}", "this provider embeds text and media")


def check_dtype(request: v1.EmbedRequest) -> None:
    """Raises CapabilityMissing for numbers of another type than 32-bit floats."""
    if request.dtype not in (v1.EMBEDDING_DTYPE_UNSPECIFIED, v1.EMBEDDING_DTYPE_FLOAT32):
        raise missing("dtype", "this provider gives FLOAT32 only; leave it out")


def vector_of(values: Sequence[float] | None) -> v1.EmbeddingVector:
    """A vector, little endian. Raises UpstreamMalformed."""
    try:
        numbers = array("f", values or ())
    except OverflowError as error:
        raise UpstreamMalformed("the provider sent a vector whose numbers are out of range") from error
    if not numbers:
        raise UpstreamMalformed("the provider sent a vector without numbers")
    if sys.byteorder == "big":
        numbers.byteswap()
    return v1.EmbeddingVector(dimensions=len(numbers), dtype=v1.EMBEDDING_DTYPE_FLOAT32, data=numbers.tobytes())
