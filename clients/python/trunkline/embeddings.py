"""Vectors: builds an EmbedRequest from what people like to write, and gives vectors as Python's own arrays.

1. What can't be understood raises TypeError or ValueError that names the place, before anything is sent.
2. A vector has as many numbers as it says, or it is an error: none is cut or filled up.
"""

import array
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict

from google.protobuf.message import Message

from trunkline import parts, v1
from trunkline.content import Content, Part, blocks
from trunkline.errors import BrokenStream
from trunkline.notation import checked, checked_text, enum_value, json_bytes, placed
from trunkline.signpost import Signposted

__all__ = ["EmbedOptions", "Embeddings", "Inputs", "Vector", "embed_request"]

Vector: TypeAlias = "array.array[float]"
"""Numbers in one piece of memory, which numpy.frombuffer takes without copying."""
Inputs = Part | v1.EmbedInput | Iterable[Content | v1.EmbedInput]
"""A text or another part, or several things to embed: each is text, a v1.Media or other content, or a v1.EmbedInput."""


class EmbedOptions(TypedDict, total=False):
    """Options of `embed`. What is left out, or None, is unset.

    dimensions: length of the vectors, for models that can shorten them.
    dtype: "float32", "float16", "int8", "uint8" or "binary"; a type that the provider does not have is refused.
    task: "query", "document", "similarity", "classification" or "clustering".
    truncate: whether to cut inputs that are too long.
    labels: labels of the caller's own, for records, routing and cost reports.
    routing: v1.RoutingPreferences, wishes for routing.
    idempotency_key: makes repeats of the call safe: calls of one key with the same value run once.
    provider_options: by dialect ("openai"), more members of the provider's request: a dict, or JSON as bytes.

    For example:
        import trunkline

        options: trunkline.EmbedOptions = {"task": "query", "labels": {"team": "search"}}
        with trunkline.Client() as client:
            print(len(client.embed("vectors", "Where is the Louvre?", **options).vectors[0]))
    """

    dimensions: int | None
    dtype: "str | v1.EmbeddingDtype.ValueType | None"
    task: "str | v1.EmbeddingTask.ValueType | None"
    truncate: bool | None
    labels: Mapping[str, str] | None
    routing: v1.RoutingPreferences | None
    idempotency_key: str | None
    provider_options: Mapping[str, bytes | Mapping[str, Any]] | None


def embed_request(
    model: str | None, inputs: Inputs | None, request: v1.EmbedRequest | None, options: EmbedOptions
) -> v1.EmbedRequest:
    """The request. It is either given whole or made of the other arguments."""
    if request is not None:
        if model is not None or inputs is not None or options:
            raise TypeError("request: give it alone; it holds the model, the inputs and the options")
        return request
    if unknown := options.keys() - EmbedOptions.__annotations__.keys():
        raise parts.unknown_options(unknown, EmbedOptions.__annotations__)
    if model is None or inputs is None:
        raise TypeError("model and inputs: both are needed where no request is given")
    name_of_model = checked(model, str, "text, and the inputs after it", "model")
    built = v1.EmbedRequest(model=name_of_model, inputs=_inputs(inputs))
    for name, value in options.items():
        if value is not None:
            with placed(name):
                _apply(built, name, value)
    return built


def _inputs(inputs: Inputs) -> list[v1.EmbedInput]:
    several: Any = inputs
    if isinstance(inputs, str | Path | Mapping | Message):
        several = [inputs]
    with placed("inputs"):
        return [_input(each, f"inputs[{index}]") for index, each in enumerate(several)]


def _input(given: Content | v1.EmbedInput, place: str) -> v1.EmbedInput:
    return given if isinstance(given, v1.EmbedInput) else v1.EmbedInput(blocks=blocks(given, place))


def _apply(request: v1.EmbedRequest, name: str, value: Any) -> None:
    match name:
        case "dimensions":
            request.dimensions = checked(value, Integral, "a whole number", name)
        case "dtype":
            request.dtype = _enum(v1.EmbeddingDtype, "EMBEDDING_DTYPE_", value, name)
        case "task":
            request.task = _enum(v1.EmbeddingTask, "EMBEDDING_TASK_", value, name)
        case "truncate":
            request.truncate = checked(value, bool, "True or False", name)
        case "routing":
            request.routing.CopyFrom(checked(value, v1.RoutingPreferences, "a v1.RoutingPreferences", name))
        case "idempotency_key":
            request.idempotency_key = checked_text(value, name)
        case "labels":
            given = checked(value, Mapping, "a dict", name)
            request.labels.update({key: checked_text(label, f"labels[{key!r}]") for key, label in given.items()})
        case "provider_options":
            given = checked(value, Mapping, "a dict by dialect", name)
            request.provider_options.update(
                {dialect: json_bytes(members, f"{name}[{dialect!r}]") for dialect, members in given.items()}
            )


def _enum(enum: Any, prefix: str, value: object, place: str) -> Any:
    return enum_value(enum, prefix, value, place) if isinstance(value, str) else value


_ARRAYS: Final = {
    v1.EMBEDDING_DTYPE_UNSPECIFIED: "f",
    v1.EMBEDDING_DTYPE_FLOAT32: "f",
    v1.EMBEDDING_DTYPE_INT8: "b",
    v1.EMBEDDING_DTYPE_UINT8: "B",
    v1.EMBEDDING_DTYPE_BINARY: "B",
}
"""Types whose bytes are those of one of Python's arrays."""


def _vector(vector: v1.EmbeddingVector) -> Vector:
    """The numbers; ValueError for bytes that are not what the vector says."""
    if vector.dtype == v1.EMBEDDING_DTYPE_FLOAT16:
        numbers = array.array("f", struct.unpack(f"<{len(vector.data) // 2}e", vector.data))
    elif vector.dtype in _ARRAYS:
        numbers = array.array(_ARRAYS[vector.dtype], vector.data)
        if sys.byteorder == "big":
            numbers.byteswap()
    else:
        raise ValueError(f"type {vector.dtype} is unknown here")
    packed = vector.dtype == v1.EMBEDDING_DTYPE_BINARY
    if len(numbers) != ((vector.dimensions + 7) // 8 if packed else vector.dimensions):
        raise ValueError(f"{vector.dimensions} dimensions were said and {len(vector.data)} bytes came")
    return numbers


class Embeddings(Signposted):
    """Vectors in the order of the inputs: `response` is the message of the contract.

    For example:
        import trunkline

        with trunkline.Client() as client:
            vectors = client.embed("vectors", ["Where is the Louvre?", "In Paris."])
            question, answer = vectors
            print(sum(one * other for one, other in zip(question, answer)))
            print(vectors.usage.input_tokens, vectors.request_id)
    """

    __slots__ = ("response", "vectors")

    def __init__(self, response: v1.EmbedResponse) -> None:
        self.response = response
        self.vectors: tuple[Vector, ...] = tuple(_read(response))
        """An array.array for each input: of floats ("f") for float32 and float16, of whole numbers ("b", "B") for int8
        and uint8, and for binary of bytes ("B") with eight dimensions each, the first in the highest bit. They iterate,
        compare and slice as lists do, and `numpy.frombuffer(vector, dtype="f4")` shares their memory."""

    @property
    def usage(self) -> v1.Usage:
        """Tokens used. Numbers that nobody knows are unset: ask HasField before you take 0 for an answer."""
        return self.response.usage

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records."""
        return self.response.request_id

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Vector]:
        return iter(self.vectors)

    def __getitem__(self, index: int) -> Vector:
        return self.vectors[index]

    def __repr__(self) -> str:
        lengths = sorted({vector.dimensions for vector in self.response.vectors})
        return f"Embeddings({self.response.model}, {len(self)} vectors of {' or '.join(map(str, lengths)) or 'none'})"


def _read(response: v1.EmbedResponse) -> Iterator[Vector]:
    for index, vector in enumerate(response.vectors):
        try:
            yield _vector(vector)
        except (ValueError, struct.error) as wrong:
            raise BrokenStream(f"vectors[{index}] can't be read: {wrong}", request_id=response.request_id) from None
