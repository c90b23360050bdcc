"""The dialect of Amazon Bedrock's Converse."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.bedrock.counting import CountTokens
from trunkline_server.providers.bedrock.embeddings import BedrockEmbeddings
from trunkline_server.providers.bedrock.errors import error_of
from trunkline_server.providers.bedrock.pieces import FORMAT
from trunkline_server.providers.bedrock.request import encode_request
from trunkline_server.providers.bedrock.response import decode_response
from trunkline_server.providers.bedrock.stream import ConverseStreamDecoder

__all__ = ["Bedrock"]

_EMBEDDINGS: Final = BedrockEmbeddings()
_COUNTING: Final = CountTokens()


class Bedrock:
    """Converse, for every model that Bedrock serves."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The dialect's word."""
        return "bedrock"

    @property
    def format(self) -> str:
        """What Converse made is replayed to Converse alone: its signatures are those of its own models."""
        return FORMAT

    @property
    def embeddings(self) -> Embeddings | None:
        """How vectors are asked for."""
        return _EMBEDDINGS

    @property
    def counting(self) -> Counting | None:
        """How counts are asked for."""
        return _COUNTING

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        return encode_request(request, deployment, stream=stream)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return ConverseStreamDecoder(deployment)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)
