"""Token counts by the provider: POST /responses/input_tokens, with the members of a request that matter to it."""

from typing import Any, Final, Protocol

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.openai_responses.errors import reported_error
from trunkline_server.providers.openai_responses.request import body_of, encoded

__all__ = ["ResponsesCounting"]

_COUNTED: Final = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "personality")
"""The others change nothing of the input, and the provider refuses them there."""

_COUNTS: Final = msgspec.json.Decoder(dict[str, Any])


class _Sender(Protocol):
    @property
    def name(self) -> str: ...

    def http_request(
        self, deployment: Deployment, path: str, body: bytes, *, stream: bool, left_out: tuple[str, ...]
    ) -> HttpRequest: ...


class ResponsesCounting:
    """How the provider is asked to count."""

    __slots__ = ("_dialect",)

    def __init__(self, dialect: _Sender) -> None:
        self._dialect = dialect

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The question. Raises CountingMissing where the settings say that nobody counts there."""
        if not deployment.provider.settings.get("native_count", True):
            raise CountingMissing
        body, left_out = body_of(request, deployment, self._dialect.name)
        counted: dict[str, Any] = {name: body[name] for name in _COUNTED if name in body}
        path = "/responses/input_tokens"
        return self._dialect.http_request(deployment, path, encoded(counted), stream=False, left_out=left_out)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The answer. Raises UpstreamError."""
        try:
            answer = _COUNTS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed() from error
        if answer.get("error"):
            raise reported_error(body)
        count = count_of(answer, "input_tokens")
        if count is None:
            raise _malformed()
        return v1.CountTokensResponse(
            input_tokens=count, source=v1.USAGE_SOURCE_PROVIDER, served_model=deployment.upstream_model
        )


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent a count that is not in its own format")
