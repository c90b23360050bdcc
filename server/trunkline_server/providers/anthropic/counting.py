"""Asks Anthropic how many input tokens a request would use.

The question is the request without what only generating needs; the provider refuses other members.
"""

from typing import Final, Protocol

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.anthropic.errors import reported_error
from trunkline_server.providers.anthropic.flavour import Flavour
from trunkline_server.providers.anthropic.options import COUNTED_EXTRAS
from trunkline_server.providers.anthropic.request import Encoded, encode_body
from trunkline_server.providers.anthropic.wire import decode_count
from trunkline_server.providers.counts import count_of

__all__ = ["Count", "Endpoint"]

_COUNTED: Final = frozenset(
    {"cache_control", "messages", "output_config", "system", "thinking", "tool_choice", "tools"}
)
"""Members of a question for a count, the model aside. Source: MessageCountTokensParams of `anthropic` 2.12."""


class Endpoint(Protocol):
    """What an endpoint adds to the question."""

    flavour: Flavour

    def count_target(self, deployment: Deployment) -> str:
        """Path and query."""
        ...

    def request(self, encoded: Encoded, deployment: Deployment, target: str, *, stream: bool) -> HttpRequest:
        """A body as a request."""
        ...


class Count:
    """Counting; a Counting (core/dialect.py)."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The provider's question. Raises as the dialect's encode does."""
        endpoint = self._endpoint
        encoded = encode_body(request, deployment, endpoint.flavour)
        for member in [member for member in encoded.body if member not in _COUNTED]:
            del encoded.body[member]
        for member in [member for member in encoded.extra if member not in COUNTED_EXTRAS]:
            del encoded.extra[member]
            encoded.left_out.append(f'provider_options["{endpoint.flavour.name}"].{member}')
        return endpoint.request(encoded, deployment, endpoint.count_target(deployment), stream=False)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The answer. Raises UpstreamError."""
        answer = decode_count(body)
        if answer.get("type") == "error":
            raise reported_error(body)
        count = count_of(answer, "input_tokens")
        if count is None:
            raise UpstreamMalformed("the provider sent a count that is none")
        return v1.CountTokensResponse(
            input_tokens=count, source=v1.USAGE_SOURCE_PROVIDER, served_model=deployment.upstream_model
        )
