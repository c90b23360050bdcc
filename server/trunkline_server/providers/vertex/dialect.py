"""The dialect of Vertex AI: Gemini's own, and two siblings' for the models of others."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.gemini.request import encode_request
from trunkline_server.providers.gemini.response import decode_response
from trunkline_server.providers.gemini.stream import GenerateContentDecoder
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.vertex.chat import Chat, Mistral
from trunkline_server.providers.vertex.claude import Claude
from trunkline_server.providers.vertex.counting import VertexCounting
from trunkline_server.providers.vertex.embedding import VertexEmbeddings
from trunkline_server.providers.vertex.errors import error_of
from trunkline_server.providers.vertex.publishers import model_of, parent

__all__ = ["Vertex"]

_WAYS: Final = Ways(
    name="vertex",
    files=False,
    typed_addresses=True,
    call_ids=False,
    addresses_in_results=True,
    told_invocations=False,
    labels=True,
)


class Vertex:
    """Vertex AI. Which of its dialects is spoken depends on whose model is asked."""

    __slots__ = ("_counting", "_embeddings", "_others")

    def __init__(self) -> None:
        claude = Claude()
        self._others: Mapping[str, Claude | Chat] = {"claude": claude, "chat": Chat(), "mistral": Mistral()}
        self._counting = VertexCounting(_WAYS, claude)
        self._embeddings = VertexEmbeddings(_WAYS)

    @property
    def name(self) -> str:
        """The dialect's word."""
        return _WAYS.name

    @property
    def format(self) -> str:
        """Of what Gemini says here. Blocks of others have the formats of those, and go wherever these are spoken."""
        return _WAYS.name

    @property
    def embeddings(self) -> Embeddings | None:
        """How vectors are asked for."""
        return self._embeddings

    @property
    def counting(self) -> Counting | None:
        """How counts are asked for."""
        return self._counting

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        model = model_of(deployment.upstream_model)
        if other := self._others.get(model.speaks):
            return other.encode(request, deployment, stream=stream)
        path = f"{parent(deployment.provider.settings)}/{model.path}"
        return encode_request(request, deployment, _WAYS, path, stream=stream)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        if other := self._other(deployment):
            return other.decode(body, deployment)
        return decode_response(body, deployment, _WAYS.name)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        if other := self._other(deployment):
            return other.stream_decoder(deployment)
        return GenerateContentDecoder(deployment, _WAYS.name)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)

    def _other(self, deployment: Deployment) -> Claude | Chat | None:
        return self._others.get(model_of(deployment.upstream_model).speaks)
