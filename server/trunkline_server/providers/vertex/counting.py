"""How Vertex AI counts the tokens of a request, as each kind of model has it."""

from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.gemini.counting import decode_count
from trunkline_server.providers.gemini.request import post, request_body
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.vertex.claude import Claude
from trunkline_server.providers.vertex.publishers import model_of, parent

__all__ = ["VertexCounting"]

_COUNTED: Final = ("contents", "systemInstruction", "tools", "generationConfig")
"""Members of a CountTokensRequest."""


class VertexCounting:
    """Counting at Vertex AI."""

    __slots__ = ("_claude", "_ways")

    def __init__(self, ways: Ways, claude: Claude) -> None:
        self._ways = ways
        self._claude = claude

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request for a count. Raises CountingMissing, or as Dialect.encode does."""
        model = model_of(deployment.upstream_model)
        if model.speaks == "claude":
            return self._count_claude(request, deployment)
        if model.speaks != "gemini":
            raise CountingMissing
        left_out: list[str] = []
        whole = request_body(request, deployment, self._ways, left_out)
        body = {name: whole[name] for name in _COUNTED if name in whole}
        target = f"{parent(deployment.provider.settings)}/{model.path}:countTokens"
        return post(deployment.provider, target, body, left_out=left_out)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The count. Raises UpstreamError."""
        if model_of(deployment.upstream_model).speaks == "claude" and self._claude.counting:
            return self._claude.counting.decode(body, deployment)
        return decode_count(body, deployment)

    def _count_claude(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        counting = self._claude.counting
        if counting is None:
            raise CountingMissing
        return counting.encode(request, deployment)
