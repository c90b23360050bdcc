"""The dialect of OpenAI's Responses API, and the class that near-twins inherit."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.headers import request_headers
from trunkline_server.providers.openai_responses.counting import ResponsesCounting
from trunkline_server.providers.openai_responses.errors import error_of
from trunkline_server.providers.openai_responses.request import encode_body
from trunkline_server.providers.openai_responses.response import decode_response
from trunkline_server.providers.openai_responses.stream import ResponsesStreamDecoder

__all__ = ["FORMAT", "OpenAIResponses"]

FORMAT: Final = "openai-responses"


class OpenAIResponses:
    """OpenAI's Responses API. A near-twin overrides the address or the credential's header."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The dialect's word."""
        return "openai-responses"

    @property
    def format(self) -> str:
        """Near-twins share the wire format, so blocks of one may be replayed to another."""
        return FORMAT

    @property
    def embeddings(self) -> Embeddings | None:
        """The Responses API has none; the dialect of chat completions has."""
        return None

    @property
    def counting(self) -> Counting | None:
        """The provider counts where the settings say so."""
        return ResponsesCounting(self)

    def target(self, provider: Provider, path: str) -> str:
        """Path and query of a request; `path` is the API's own."""
        return provider.base_path + path

    def authorization(self, provider: Provider) -> dict[str, str]:
        """The header that carries the credential, where there is a fixed one."""
        return {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}

    def http_request(
        self, deployment: Deployment, path: str, body: bytes, *, stream: bool, left_out: tuple[str, ...]
    ) -> HttpRequest:
        """A request to this provider."""
        provider = deployment.provider
        return HttpRequest(
            method="POST",
            endpoint=provider.endpoint,
            target=self.target(provider, path),
            headers=request_headers(provider, stream=stream, own=self.authorization(provider)),
            body=body,
            left_out=left_out,
        )

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        body, left_out = encode_body(request, deployment, self.name, stream=stream)
        return self.http_request(deployment, "/responses", body, stream=stream, left_out=left_out)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment, FORMAT)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return ResponsesStreamDecoder(deployment, FORMAT)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)
