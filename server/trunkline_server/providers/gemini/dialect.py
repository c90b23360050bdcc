"""The dialect of the Gemini API."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.gemini.counting import GeminiCounting
from trunkline_server.providers.gemini.embedding import GeminiEmbeddings
from trunkline_server.providers.gemini.errors import error_of
from trunkline_server.providers.gemini.paths import model_path
from trunkline_server.providers.gemini.request import encode_request
from trunkline_server.providers.gemini.response import decode_response
from trunkline_server.providers.gemini.stream import GenerateContentDecoder
from trunkline_server.providers.gemini.ways import Ways

__all__ = ["Gemini"]

_OWN: Final = Ways()


class Gemini:
    """generateContent of the Gemini API."""

    __slots__ = ("_counting", "_embeddings")

    def __init__(self) -> None:
        self._counting = GeminiCounting(_OWN)
        self._embeddings = GeminiEmbeddings(_OWN)

    @property
    def name(self) -> str:
        """The dialect's word."""
        return _OWN.name

    @property
    def format(self) -> str:
        """Signatures are this door's own: Vertex AI, with the same wire format, takes others."""
        return _OWN.name

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
        return encode_request(request, deployment, _OWN, f"/{model_path(deployment.upstream_model)}", stream=stream)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment, _OWN.name)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return GenerateContentDecoder(deployment, _OWN.name)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)
