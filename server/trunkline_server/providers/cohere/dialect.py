"""The dialect of Cohere's version 2: chat and embed.

What else Cohere has waits for verbs of the contract: reranking (/v2/rerank), and classes (/v1/classify).
"""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.cohere.embeddings import CohereEmbeddings
from trunkline_server.providers.cohere.errors import error_of
from trunkline_server.providers.cohere.messages import FORMAT
from trunkline_server.providers.cohere.request import encode_request
from trunkline_server.providers.cohere.response import decode_response
from trunkline_server.providers.cohere.stream import ChatStreamDecoder

__all__ = ["Cohere"]

_EMBEDDINGS: Final = CohereEmbeddings()


class Cohere:
    """Cohere's chat and embed."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The dialect's word."""
        return "cohere"

    @property
    def format(self) -> str:
        """Whose thoughts and citations may be sent back."""
        return FORMAT

    @property
    def embeddings(self) -> Embeddings | None:
        """How vectors are asked for."""
        return _EMBEDDINGS

    @property
    def counting(self) -> Counting | None:
        """None: /v1/tokenize takes one text of 65,536 characters, and not a request."""
        return None

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        return encode_request(request, deployment, stream=stream)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return ChatStreamDecoder(deployment)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)
