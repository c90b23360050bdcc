"""Vectors as OpenAI and its near-twins give them.

1. Numbers leave as bytes, little endian, whether they came as base64 or as a list.
2. The vectors are in the order of the inputs, whatever the order of the answer; one for each input, or it is malformed.
3. A type, a length or a purpose that the provider does not know is refused: the vectors would be others.

Source of the format: the embedding types of the `openai` package, 3.54.
"""

import binascii
import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.headers import request_headers
from trunkline_server.providers.openai.errors import reported_error
from trunkline_server.providers.openai.quirks import Vectors
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["OpenAIEmbeddings"]

_ENCODER: Final = msgspec.json.Encoder()
_FLOATS: Final = (v1.EMBEDDING_DTYPE_UNSPECIFIED, v1.EMBEDDING_DTYPE_FLOAT32)
_ARRAYS: Final[Mapping[int, str]] = {
    v1.EMBEDDING_DTYPE_FLOAT32: "f",
    v1.EMBEDDING_DTYPE_INT8: "b",
    v1.EMBEDDING_DTYPE_UINT8: "B",
    v1.EMBEDDING_DTYPE_BINARY: "B",
}
_NOT_FOR_CALLERS: Final = frozenset(
    {
        "input", "inputs", "model", "models", "provider", "encoding_format", "dimensions", "output_dimension",
        "output_dtype", "input_type", "truncate", "metadata", "session_id", "stream", "service_tier", "extra_body",
        "messages", "priority", "request_id",
    }
)  # fmt: skip
"""What this writes for any of the providers, and what chooses the model, the tier or storage."""
_MOST_IN_BASE64: Final = 256
_MOST_IN_LISTS: Final = 128
"""Of vectors of 4,096 numbers these are 5 and 11 MB, below the bound on an answer (16 MiB), and soon read."""


class Item(msgspec.Struct, gc=False):
    """One vector."""

    embedding: str | list[float]
    index: int | None = None


class Answer(msgspec.Struct, gc=False):
    """All vectors."""

    data: list[Item] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


_ANSWERS: Final = msgspec.json.Decoder(Answer)


class OpenAIEmbeddings:
    """How a provider like this is asked for vectors."""

    __slots__ = ("_dtypes", "_name", "_tasks", "_vectors")

    def __init__(self, name: str, vectors: Vectors) -> None:
        self._name = name
        """The dialect's, for provider_options."""
        self._vectors = vectors
        self._dtypes = {v1.EmbeddingDtype.Value(f"EMBEDDING_DTYPE_{ours}"): theirs for ours, theirs in vectors.dtypes}
        self._tasks = {v1.EmbeddingTask.Value(f"EMBEDDING_TASK_{ours}"): theirs for ours, theirs in vectors.tasks}

    def most_inputs(self, deployment: Deployment) -> int:  # noqa: ARG002 - the same for all
        """How many inputs one request may hold: what the provider takes, and its answer is not too long to be read."""
        return min(self._vectors.most_inputs, _MOST_IN_BASE64 if self._vectors.base64 else _MOST_IN_LISTS)

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        provider, left_out = deployment.provider, list[str]()
        extra = extra_members(
            request.provider_options,
            self._name,
            _NOT_FOR_CALLERS | {self._vectors.task},
            allowed=provider.allow_provider_options,
            left_out=left_out,
        )
        texts = [_text(index, item, left_out) for index, item in enumerate(request.inputs[:])]
        body: dict[str, Any] = {"model": deployment.upstream_model, "input": texts}
        self._add_type(body, request)
        if request.HasField("dimensions"):
            self._add_dimensions(body, request)
        if request.task:
            self._add_task(body, request)
        if request.HasField("truncate"):
            self._add_truncate(body, request, left_out)
        body.update(extra)
        own = {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}
        return HttpRequest(
            method="POST",
            endpoint=provider.endpoint,
            target=provider.base_path + self._vectors.path,
            headers=request_headers(provider, stream=False, own=own),
            body=_ENCODER.encode(body),
            left_out=tuple(left_out),
        )

    def _add_type(self, body: dict[str, Any], request: v1.EmbedRequest) -> None:
        vectors = self._vectors
        if vectors.base64:
            body["encoding_format"] = "base64"
        if request.dtype in _FLOATS and vectors.floats:
            return
        if request.dtype not in self._dtypes:
            taken = ", ".join([*(["FLOAT32"] if vectors.floats else []), *(ours for ours, _ in vectors.dtypes)])
            raise missing("dtype", f"this provider gives {taken}")
        body[vectors.dtype] = self._dtypes[request.dtype]

    def _add_dimensions(self, body: dict[str, Any], request: v1.EmbedRequest) -> None:
        if not self._vectors.dimensions:
            raise missing("dimensions", "this provider can't shorten vectors; leave it out")
        body[self._vectors.dimensions] = request.dimensions

    def _add_task(self, body: dict[str, Any], request: v1.EmbedRequest) -> None:
        if request.task not in self._tasks:
            taken = ", ".join(ours for ours, _ in self._vectors.tasks) or "none"
            raise missing("task", f"of purposes this provider knows {taken}; leave it out")
        body[self._vectors.task] = self._tasks[request.task]

    def _add_truncate(self, body: dict[str, Any], request: v1.EmbedRequest, left_out: list[str]) -> None:
        cut, refuse = self._vectors.truncate
        if cut:
            body["truncate"] = cut if request.truncate else refuse
        elif request.truncate:
            raise missing("truncate", "this provider can't be asked to cut inputs; cut them, or leave it out")
        else:
            left_out.append("truncate")

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
        if answer.error:
            raise reported_error(body)
        dtype = v1.EMBEDDING_DTYPE_FLOAT32 if request.dtype in _FLOATS else request.dtype
        vectors = [_vector(item.embedding, dtype) for item in _in_order(answer.data or [], len(request.inputs))]
        response = v1.EmbedResponse(vectors=vectors)
        if isinstance(answer.model, str):
            response.served_model = answer.model
        if (count := count_of(answer.usage, "prompt_tokens")) is not None:
            response.usage.input_tokens, response.usage.input_source = count, v1.USAGE_SOURCE_PROVIDER
        return response


def _text(index: int, item: v1.EmbedInput, left_out: list[str]) -> str:
    """The one text of an input."""
    path = f"inputs[{index}].blocks"
    if len(item.blocks) != 1 or not item.blocks[0].HasField("text"):
        raise missing(path, "this provider makes a vector of one text")
    block = item.blocks[0]
    left_out += [f"{path}[0].{field.name}" for field, _ in block.ListFields() if field.name not in ("text", "origin")]
    left_out += [f"{path}[0].text.{field.name}" for field, _ in block.text.ListFields() if field.name != "text"]
    return block.text.text


def _in_order(items: list[Item], wanted: int) -> list[Item]:
    """By index; servers that number nothing give them in order."""
    places = [place if item.index is None else item.index for place, item in enumerate(items)]
    if len(items) != wanted or sorted(places) != list(range(wanted)):
        raise UpstreamMalformed(f"the provider sent {len(items)} vectors for {wanted} inputs, or numbered them wrongly")
    return [item for _, item in sorted(zip(places, items, strict=True), key=lambda numbered: numbered[0])]


def _vector(numbers: str | list[float], dtype: "v1.EmbeddingDtype.ValueType") -> v1.EmbeddingVector:
    kind = _ARRAYS[dtype]
    try:
        data = b64decode(numbers, validate=True) if isinstance(numbers, str) else _bytes(numbers, kind)
    except (binascii.Error, ValueError, OverflowError, TypeError) as error:
        raise _malformed() from error
    width = array(kind).itemsize
    if not data or len(data) % width:
        raise _malformed()
    count = len(data) // width
    dimensions = count * 8 if dtype == v1.EMBEDDING_DTYPE_BINARY else count
    return v1.EmbeddingVector(dimensions=dimensions, dtype=dtype, data=data)


def _bytes(numbers: list[float], kind: str) -> bytes:
    made = array(kind, numbers if kind == "f" else map(int, numbers))
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent vectors that are not in its own format")
