"""The dialect of OpenAI's chat completions, and the class that near-twins inherit."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.openai.embeddings import OpenAIEmbeddings
from trunkline_server.providers.openai.errors import error_of
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.request import encode_request
from trunkline_server.providers.openai.response import decode_response
from trunkline_server.providers.openai.stream import ChatStreamDecoder

__all__ = ["OpenAI"]

_OWN: Final = Quirks()


class OpenAI:
    """OpenAI's chat completions. A near-twin is one with other quirks; what these can't say overrides a verb."""

    __slots__ = ("_embeddings", "_quirks")

    def __init__(self, quirks: Quirks = _OWN) -> None:
        self._quirks = quirks
        self._embeddings = OpenAIEmbeddings(quirks.name, quirks.vectors) if quirks.vectors else None

    @property
    def name(self) -> str:
        """The dialect's word."""
        return self._quirks.name

    @property
    def format(self) -> str:
        """Near-twins share OpenAI's unless something of their answers can be sent back to them alone."""
        return self._quirks.format

    @property
    def embeddings(self) -> Embeddings | None:
        """How vectors are asked for."""
        return self._embeddings

    @property
    def counting(self) -> Counting | None:
        """There is no such question in chat completions."""
        return None

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        return encode_request(request, deployment, self._quirks, stream=stream)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment, self._quirks)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return ChatStreamDecoder(deployment, self._quirks)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body, self._quirks)
