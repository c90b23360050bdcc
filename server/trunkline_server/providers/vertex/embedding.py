"""Vectors at Vertex AI.

1. Gemini's embedding models, and open ones, are asked by embedContent, which takes one input: text and media together.
2. The text models before them are asked by predict, which takes many texts.
3. Numbers come as 32-bit floats; other types are refused.

Sources: the discovery document of Vertex AI, v1, revision 20260509; google-genai 3.4, which tells the two kinds apart
by the same words in their names;
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api, read 2026-11.
"""

from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.gemini.embedding import TASKS, InputParts, check_dtype, vector_of
from trunkline_server.providers.gemini.endings import usage_of
from trunkline_server.providers.gemini.errors import reported_error
from trunkline_server.providers.gemini.options import Options
from trunkline_server.providers.gemini.request import post
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.gemini.wire import decoded
from trunkline_server.providers.refusal import missing
from trunkline_server.providers.vertex.publishers import Model, model_of, parent

__all__ = ["VertexEmbeddings"]

_BY_CONTENT: Final = ("gemini", "maas")
"""Words in names of models that embedContent is for."""
_MOST_TEXTS: Final = 250


class _Embedding(msgspec.Struct, gc=False):
    values: list[float] | None = None
    statistics: Any = None


class _Prediction(msgspec.Struct, gc=False):
    embeddings: _Embedding | None = None


class _Answer(msgspec.Struct, gc=False):
    predictions: list[_Prediction] | None = None
    embedding: _Embedding | None = None
    usageMetadata: Any = None  # noqa: N815 - the wire's own name
    error: Any = None


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


class VertexEmbeddings:
    """Vectors at Vertex AI."""

    __slots__ = ("_ways",)

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def most_inputs(self, deployment: Deployment) -> int:
        """How many inputs one request may hold."""
        return 1 if _by_content(model_of(deployment.upstream_model)) else _MOST_TEXTS

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        left_out: list[str] = []
        provider = deployment.provider
        options = Options(
            request.provider_options, self._ways, allowed=provider.allow_provider_options, left_out=left_out
        )
        check_dtype(request)
        model = model_of(deployment.upstream_model)
        parts = InputParts(deployment, self._ways, left_out)
        inputs = [parts.of(index, each) for index, each in enumerate(request.inputs[:])]
        by_content = _by_content(model)
        body = _content(request, inputs) if by_content else _instances(request, inputs)
        options.add_to(body)
        verb = "embedContent" if by_content else "predict"
        return post(provider, f"{parent(provider.settings)}/{model.path}:{verb}", body, left_out=left_out)

    def decode(self, body: bytes, request: v1.EmbedRequest, deployment: Deployment) -> v1.EmbedResponse:
        """The vectors, in order. Raises UpstreamError."""
        answer = decoded(_ANSWERS, body)
        if answer.error:
            raise reported_error(body)
        found = [each.embeddings for each in answer.predictions or ()] or [answer.embedding]
        vectors = [vector_of(each.values) for each in found if each is not None]
        if len(vectors) != len(request.inputs):
            raise UpstreamMalformed("the provider sent another number of vectors than there were inputs")
        response = v1.EmbedResponse(vectors=vectors, served_model=deployment.upstream_model)
        if usage := usage_of(answer.usageMetadata) or _counted(found):
            response.usage.CopyFrom(usage)
        return response


def _by_content(model: Model) -> bool:
    return any(word in model.name for word in _BY_CONTENT)


def _content(request: v1.EmbedRequest, inputs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if task := TASKS.get(request.task):
        config["taskType"] = task
    if request.HasField("dimensions"):
        config["outputDimensionality"] = request.dimensions
    if request.HasField("truncate"):
        config["autoTruncate"] = request.truncate
    body: dict[str, Any] = {"content": {"parts": inputs[0]}}
    return {**body, "embedContentConfig": config} if config else body


def _instances(request: v1.EmbedRequest, inputs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    task = TASKS.get(request.task)
    instances = [{"content": _text(index, parts)} for index, parts in enumerate(inputs)]
    parameters: dict[str, Any] = {}
    if request.HasField("dimensions"):
        parameters["outputDimensionality"] = request.dimensions
    if request.HasField("truncate"):
        parameters["autoTruncate"] = request.truncate
    body: dict[str, Any] = {"instances": [{**each, "task_type": task} for each in instances] if task else instances}
    return {**body, "parameters": parameters} if parameters else body


def _text(index: int, parts: list[dict[str, Any]]) -> str:
    if len(parts) != 1 or "text" not in parts[0]:
        raise missing(f"inputs[{index}].blocks", "this model embeds one text for each input")
    return str(parts[0]["text"])


def _counted(found: list[_Embedding | None]) -> v1.Usage | None:
    """What predict counts, text by text."""
    counts = [count_of(each.statistics, "token_count") for each in found if each is not None]
    if not counts or None in counts:
        return None
    total = sum(count for count in counts if count is not None)
    return v1.Usage(input_tokens=min(total, (1 << 63) - 1), input_source=v1.USAGE_SOURCE_PROVIDER)
