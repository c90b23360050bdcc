"""The models on Bedrock that make vectors, and how each vendor is asked.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
.../model-parameters-titan-embed-mm.html, .../model-parameters-embed-v3.html, .../model-parameters-embed-v4.html, and
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.bedrock.media import DocumentNames, media_block
from trunkline_server.providers.refusal import missing

__all__ = ["Vectors", "vectors_of"]

_Wire = dict[str, Any]
_Encode = Callable[[v1.EmbedRequest, str, list[str]], _Wire]
"""The request, the word for the type of the numbers, and where paths of what has no form go."""

_FLOAT: Final = v1.EMBEDDING_DTYPE_FLOAT32
_NO_WORD: Final[Mapping["v1.EmbeddingDtype.ValueType", str]] = MappingProxyType({_FLOAT: ""})
_OF_COHERE: Final[Mapping["v1.EmbeddingDtype.ValueType", str]] = MappingProxyType(
    {
        _FLOAT: "float",
        v1.EMBEDDING_DTYPE_INT8: "int8",
        v1.EMBEDDING_DTYPE_UINT8: "uint8",
        v1.EMBEDDING_DTYPE_BINARY: "ubinary",
    }
)
_COHERE_TASKS: Final = {
    v1.EMBEDDING_TASK_UNSPECIFIED: "search_document",  # the model has no default; most texts are stored
    v1.EMBEDDING_TASK_QUERY: "search_query",
    v1.EMBEDDING_TASK_DOCUMENT: "search_document",
    v1.EMBEDDING_TASK_CLASSIFICATION: "classification",
    v1.EMBEDDING_TASK_CLUSTERING: "clustering",
}
_NOVA_TASKS: Final = {
    v1.EMBEDDING_TASK_UNSPECIFIED: "GENERIC_INDEX",  # the same
    v1.EMBEDDING_TASK_QUERY: "GENERIC_RETRIEVAL",
    v1.EMBEDDING_TASK_DOCUMENT: "GENERIC_INDEX",
    v1.EMBEDDING_TASK_CLASSIFICATION: "CLASSIFICATION",
    v1.EMBEDDING_TASK_CLUSTERING: "CLUSTERING",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One model's ways."""

    encode: _Encode
    refused: frozenset[str]
    """Members that no caller may set."""
    most_inputs: int = 1
    dtypes: Mapping["v1.EmbeddingDtype.ValueType", str] = field(default_factory=lambda: _NO_WORD)
    """Types of numbers that it gives, and its words for them."""


def vectors_of(model: str) -> Vectors | None:
    """The ways of the model with this id; None for one that is not known."""
    return next((ways for start, ways in _MODELS if model.startswith(start)), None)


def _titan_v2(request: v1.EmbedRequest, word: str, left_out: list[str]) -> _Wire:
    _no_task(request)
    body: _Wire = {"inputText": _text(request, 0, left_out), "embeddingTypes": [word]}
    if request.HasField("dimensions"):
        body["dimensions"] = request.dimensions
    _never_cut(request, left_out)
    return body


def _titan_v1(request: v1.EmbedRequest, _word: str, left_out: list[str]) -> _Wire:
    _no_task(request)
    if request.HasField("dimensions"):
        raise missing("dimensions", "this model can't shorten vectors; leave it out")
    _never_cut(request, left_out)
    return {"inputText": _text(request, 0, left_out)}


def _titan_image(request: v1.EmbedRequest, _word: str, left_out: list[str]) -> _Wire:
    """One vector of a text, a picture, or both."""
    _no_task(request)
    _never_cut(request, left_out)
    body: _Wire = {}
    for place, block in enumerate(request.inputs[0].blocks[:]):
        path = f"inputs[0].blocks[{place}]"
        if block.HasField("text") and "inputText" not in body:
            body["inputText"] = _words(block, path, left_out)
        elif block.HasField("media") and "inputImage" not in body:
            body["inputImage"] = _picture(block, path, left_out)
        else:
            raise missing(path, "this model makes a vector of one text, one picture, or one of each")
    if request.HasField("dimensions"):
        body["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
    return body


def _nova(request: v1.EmbedRequest, _word: str, left_out: list[str]) -> _Wire:
    params: _Wire = {"embeddingPurpose": _task(request, _NOVA_TASKS)}
    if request.HasField("dimensions"):
        params["embeddingDimension"] = request.dimensions
    blocks = request.inputs[0].blocks
    if len(blocks) == 1 and blocks[0].HasField("media"):
        if request.HasField("truncate"):
            left_out.append("truncate")
        _envelope(blocks[0], "inputs[0].blocks[0]", left_out)
        path = "inputs[0].blocks[0].media"
        ((kind, medium),) = media_block(blocks[0].media, path, DocumentNames(), left_out).items()
        if kind == "document":
            raise missing(f"{path}.mime_type", "this model embeds text, pictures, sound and film")
        params[kind] = medium
        if kind == "video":
            medium["embeddingMode"] = "AUDIO_VIDEO_COMBINED"
    else:
        cut = "END" if request.truncate else "NONE"  # the model wants one of them said
        params["text"] = {"truncationMode": cut, "value": _text(request, 0, left_out)}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _cohere_v3(request: v1.EmbedRequest, word: str, left_out: list[str]) -> _Wire:
    if request.HasField("dimensions"):
        raise missing("dimensions", "this model can't shorten vectors; leave it out")
    return _cohere(request, word, "END", left_out)


def _cohere_v4(request: v1.EmbedRequest, word: str, left_out: list[str]) -> _Wire:
    body = _cohere(request, word, "RIGHT", left_out)
    if request.HasField("dimensions"):
        body["output_dimension"] = request.dimensions
    return body


def _cohere(request: v1.EmbedRequest, word: str, cut: str, left_out: list[str]) -> _Wire:
    texts = [_text(request, index, left_out) for index in range(len(request.inputs))]
    body: _Wire = {"texts": texts, "input_type": _task(request, _COHERE_TASKS), "embedding_types": [word]}
    if request.HasField("truncate"):
        body["truncate"] = cut if request.truncate else "NONE"
    return body


def _text(request: v1.EmbedRequest, index: int, left_out: list[str]) -> str:
    """The one text of an input."""
    blocks = request.inputs[index].blocks
    if len(blocks) != 1 or not blocks[0].HasField("text"):
        raise missing(f"inputs[{index}].blocks", "this model makes a vector of one text")
    return _words(blocks[0], f"inputs[{index}].blocks[0]", left_out)


def _words(block: v1.Block, path: str, left_out: list[str]) -> str:
    left_out += [f"{path}.text.{other.name}" for other, _ in block.text.ListFields() if other.name != "text"]
    _envelope(block, path, left_out)
    return block.text.text


def _picture(block: v1.Block, path: str, left_out: list[str]) -> str:
    made = media_block(block.media, f"{path}.media", DocumentNames(), left_out)
    if "image" not in made:
        raise missing(f"{path}.media.mime_type", "this model embeds text and pictures")
    if not block.media.data:
        raise missing(f"{path}.media.uri", "this model fetches nothing; send the data")
    _envelope(block, path, left_out)
    return b64encode(block.media.data).decode()


def _envelope(block: v1.Block, path: str, left_out: list[str]) -> None:
    hanging = ("signature", "logprobs", "cache_mark")
    left_out += [f"{path}.{other.name}" for other, _ in block.ListFields() if other.name in hanging]


def _task(request: v1.EmbedRequest, tasks: Mapping["v1.EmbeddingTask.ValueType", str]) -> str:
    if request.task not in tasks:
        raise missing("task", "this model knows QUERY, DOCUMENT, CLASSIFICATION and CLUSTERING; leave it out")
    return tasks[request.task]


def _no_task(request: v1.EmbedRequest) -> None:
    if request.task:
        raise missing("task", "this model knows no purposes; leave it out")


def _never_cut(request: v1.EmbedRequest, left_out: list[str]) -> None:
    """Titan refuses what is too long."""
    if request.truncate:
        raise missing("truncate", "this model can't be asked to cut inputs; cut them, or leave it out")
    if request.HasField("truncate"):
        left_out.append("truncate")


_COHERE_REFUSED: Final = frozenset(
    {"texts", "images", "inputs", "input_type", "embedding_types", "output_dimension", "truncate", "model"}
)

_MODELS: Final = (
    (
        "amazon.titan-embed-text-v2",
        Vectors(
            encode=_titan_v2,
            refused=frozenset({"inputText", "embeddingTypes", "dimensions"}),
            dtypes=MappingProxyType({_FLOAT: "float", v1.EMBEDDING_DTYPE_BINARY: "binary"}),
        ),
    ),
    (
        "amazon.titan-embed-image",
        Vectors(encode=_titan_image, refused=frozenset({"inputText", "inputImage", "embeddingConfig"})),
    ),
    ("amazon.titan-embed", Vectors(encode=_titan_v1, refused=frozenset({"inputText"}))),
    (
        "amazon.nova-2-multimodal-embeddings",
        Vectors(encode=_nova, refused=frozenset({"taskType", "singleEmbeddingParams", "segmentedEmbeddingParams"})),
    ),
    (
        "cohere.embed-v4",
        Vectors(encode=_cohere_v4, refused=_COHERE_REFUSED | {"max_tokens"}, most_inputs=96, dtypes=_OF_COHERE),
    ),
    ("cohere.embed-", Vectors(encode=_cohere_v3, refused=_COHERE_REFUSED, most_inputs=96, dtypes=_OF_COHERE)),
)
"""By how the model's id begins, the more specific first."""
