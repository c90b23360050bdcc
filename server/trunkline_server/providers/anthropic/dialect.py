"""The dialect of Anthropic's messages, and the class that near-twins inherit."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import Counting, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.anthropic.counting import Count
from trunkline_server.providers.anthropic.errors import error_of
from trunkline_server.providers.anthropic.flavour import FORMAT, Flavour
from trunkline_server.providers.anthropic.request import Encoded, encode_body
from trunkline_server.providers.anthropic.response import decode_response
from trunkline_server.providers.anthropic.stream import MessageStreamDecoder
from trunkline_server.providers.headers import request_headers

__all__ = ["Anthropic"]

_ENCODER: Final = msgspec.json.Encoder()
_OWN: Final = Flavour()
_VERSION: Final = "2023-06-01"


class Anthropic:
    """Anthropic's messages. A near-twin is one with another flavour, or other answers to `target` and `credential`."""

    __slots__ = ("flavour",)

    def __init__(self, flavour: Flavour = _OWN) -> None:
        self.flavour = flavour

    @property
    def name(self) -> str:
        """The dialect's word."""
        return self.flavour.name

    @property
    def format(self) -> str:
        """Near-twins share the wire format, so blocks of one may be replayed to another."""
        return FORMAT

    @property
    def embeddings(self) -> Embeddings | None:
        """Anthropic has none."""
        return None

    @property
    def counting(self) -> Counting | None:
        """How token counts are asked for."""
        return Count(self) if self.flavour.count_path else None

    def target(self, deployment: Deployment, *, stream: bool) -> str:  # noqa: ARG002 - paths of near-twins say it
        """Path and query of a call."""
        return deployment.provider.base_path + self.flavour.path

    def count_target(self, deployment: Deployment) -> str:
        """Path and query of a question for a count."""
        return deployment.provider.base_path + self.flavour.count_path

    def credential(self, provider: Provider) -> dict[str, str]:
        """The headers that present the fixed key, if there is one."""
        return {"x-api-key": provider.credential.reveal()} if provider.credential else {}

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        encoded = encode_body(request, deployment, self.flavour)
        if stream and self.flavour.stream_in_body:
            encoded.body["stream"] = True
        return self.request(encoded, deployment, self.target(deployment, stream=stream), stream=stream)

    def request(self, encoded: Encoded, deployment: Deployment, target: str, *, stream: bool) -> HttpRequest:
        """A body as a request to this endpoint."""
        return HttpRequest(
            method="POST",
            endpoint=deployment.provider.endpoint,
            target=target,
            headers=self._headers(encoded.betas, deployment.provider, stream=stream),
            body=_ENCODER.encode(self._head(encoded, deployment) | encoded.body | encoded.extra),
            left_out=tuple(encoded.left_out),
        )

    def _head(self, encoded: Encoded, deployment: Deployment) -> dict[str, Any]:
        head: dict[str, Any] = {}
        if self.flavour.version_in_body:
            head["anthropic_version"] = self.flavour.version_in_body
        if self.flavour.betas_in_body and encoded.betas:
            head["anthropic_beta"] = encoded.betas
        if self.flavour.model_in_body:
            head["model"] = deployment.upstream_model
        return head

    def _headers(self, betas: list[str], provider: Provider, *, stream: bool) -> tuple[tuple[str, str], ...]:
        own = self.credential(provider)
        if not self.flavour.version_in_body:
            own["anthropic-version"] = _VERSION
        headers = dict(request_headers(provider, stream=stream, own=own))
        # The operator's own are among the betas already, and must not hide those that the request needs.
        headers.pop("anthropic-beta", None)
        if betas and not self.flavour.betas_in_body:
            headers["anthropic-beta"] = ",".join(betas)
        return tuple(headers.items())

    def decode(self, body: bytes, deployment: Deployment) -> v1.CompleteResponse:
        """A whole answer. Raises UpstreamError."""
        return decode_response(body, deployment)

    def stream_decoder(self, deployment: Deployment) -> StreamDecoder:
        """A decoder for one streamed answer."""
        return MessageStreamDecoder(deployment)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return error_of(status, headers, body)
