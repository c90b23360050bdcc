"""Vectors of OpenAI and its near-twins: what is asked, and what an answer means."""

import json
import struct
from array import array
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.dialect import Embeddings
from trunkline_server.core.errors import CapabilityMissing, UpstreamError, UpstreamMalformed
from trunkline_server.providers.dialects import DIALECTS

DEPLOYMENTS = {each.dialect.name: each.deployment for each in find().exchanges}


def vectors_of(name: str) -> Embeddings:
    """How this provider is asked."""
    embeddings = DIALECTS[name].embeddings
    assert embeddings is not None
    return embeddings


def asking(*texts: str, **more: Any) -> v1.EmbedRequest:
    """A request for vectors of these texts."""
    inputs = [v1.EmbedInput(blocks=[v1.Block(text=v1.Text(text=text))]) for text in texts]
    return v1.EmbedRequest(model="m", inputs=inputs, **more)


def sent(name: str, request: v1.EmbedRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(vectors_of(name).encode(request, DEPLOYMENTS[name]).body)
    return body


def decoded(body: Any, request: v1.EmbedRequest, name: str = "openai") -> v1.EmbedResponse:
    return vectors_of(name).decode(json.dumps(body).encode(), request, DEPLOYMENTS[name])


def data(*items: Any) -> dict[str, Any]:
    """An answer with these embeddings, numbered."""
    return {"data": [{"index": index, "embedding": item} for index, item in enumerate(items)], "model": "m"}


@given(numbers=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_lists_and_base64_are_the_same(numbers: list[float]) -> None:
    """A vector is the same bytes, little endian, whether it came as a list or in base64."""
    packed = struct.pack(f"<{len(numbers)}f", *numbers)
    for item in (b64encode(packed).decode(), numbers):
        [vector] = decoded(data(item), asking("a")).vectors
        assert (vector.data, vector.dimensions, vector.dtype) == (packed, len(numbers), v1.EMBEDDING_DTYPE_FLOAT32)


def test_order() -> None:
    """Vectors come in the order of the inputs, whatever their order in the answer."""
    body = {"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 4}}
    made = decoded(body, asking("a", "b"))
    assert [array("f", vector.data)[0] for vector in made.vectors] == [1.0, 2.0]
    assert (made.usage.input_tokens, made.usage.HasField("output_tokens")) == (4, False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        data([1.0]),
        data([1.0], [2.0], [3.0]),
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": -1, "embedding": [1.0]}]},
        data([1.0], []),
        data([1.0], ""),
        data([1.0], "AAA"),
        data([1.0], "AAAA"),
        data([1.0], "?"),
        data([1.0], [None]),
        data([1.0], {}),
        [],
        7,
    ],
)
def test_malformed(body: Any) -> None:
    """An answer that has not one whole vector for each input is malformed, and never another failure."""
    with pytest.raises(UpstreamMalformed):
        decoded(body, asking("a", "b"))


def test_reported_error() -> None:
    """An error object with status 200 is a failure."""
    with pytest.raises(UpstreamError):
        decoded({"error": {"message": "no", "code": 503}}, asking("a"))


def test_integers() -> None:
    """Integers are bytes, and bits are eight to a byte."""
    request = asking("a", dtype=v1.EMBEDDING_DTYPE_INT8)
    [vector] = decoded(data([1, -2, 127]), request, "mistral").vectors
    assert (vector.data, vector.dimensions) == (b"\x01\xfe\x7f", 3)
    with pytest.raises(UpstreamMalformed):
        decoded(data([128]), request, "mistral")
    [vector] = decoded(data("Aw=="), asking("a", dtype=v1.EMBEDDING_DTYPE_BINARY), "mistral").vectors
    assert (vector.data, vector.dimensions) == (b"\x03", 8)
    assert sent("mistral", asking("a", dtype=v1.EMBEDDING_DTYPE_BINARY))["output_dtype"] == "ubinary"


@pytest.mark.parametrize(
    ("name", "request_", "field"),
    [
        ("openai", asking("a", dtype=v1.EMBEDDING_DTYPE_INT8), "dtype"),
        ("perplexity", asking("a"), "dtype"),
        ("lmstudio", asking("a", dimensions=4), "dimensions"),
        ("openai", asking("a", task=v1.EMBEDDING_TASK_QUERY), "task"),
        ("openai", asking("a", truncate=True), "truncate"),
        ("openai", v1.EmbedRequest(model="m", inputs=[v1.EmbedInput(blocks=[v1.Block(media=v1.Media(uri="u"))])]),
         "inputs[0].blocks"),
    ],
)  # fmt: skip
def test_refusals(name: str, request_: v1.EmbedRequest, field: str) -> None:
    """What would make other vectors and can't be said there is refused, naming the field."""
    with pytest.raises(CapabilityMissing) as caught:
        sent(name, request_)
    assert caught.value.violations[0].field == field


def test_hints() -> None:
    """What hangs on a text and has no form is named; inputs that are too long are refused by themselves."""
    request = asking("a", truncate=False)
    request.inputs[0].blocks[0].signature = b"s"
    made = vectors_of("openai").encode(request, DEPLOYMENTS["openai"])
    assert made.left_out == ("inputs[0].blocks[0].signature", "truncate")


def test_who_has_none() -> None:
    """Providers without vectors say so."""
    assert [name for name in ("deepseek", "groq", "cerebras", "local") if DIALECTS[name].embeddings is None] == [
        "deepseek",
        "groq",
        "cerebras",
        "local",
    ]
