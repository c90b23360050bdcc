"""How Gemini counts the tokens of a request: models.countTokens, which takes the request itself."""

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.gemini.errors import reported_error
from trunkline_server.providers.gemini.paths import model_path
from trunkline_server.providers.gemini.request import post, request_body
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.gemini.wire import read_any

__all__ = ["GeminiCounting", "decode_count"]


class GeminiCounting:
    """Counting at the Gemini API."""

    __slots__ = ("_ways",)

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request for a count. Raises as Dialect.encode does."""
        left_out: list[str] = []
        model = model_path(deployment.upstream_model)
        whole = {"model": model, **request_body(request, deployment, self._ways, left_out)}
        body = {"generateContentRequest": whole}
        return post(deployment.provider, f"/{model}:countTokens", body, left_out=left_out)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The count. Raises UpstreamError."""
        return decode_count(body, deployment)


def decode_count(body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
    """The count of an answer with status 200. Raises UpstreamError."""
    answer = read_any(body)
    if isinstance(answer, dict) and answer.get("error"):
        raise reported_error(body)
    # Zero would be left out on the wire, as all defaults are; but no request has no tokens: such a body is no count.
    count = count_of(answer, "totalTokens")
    if count is None:
        raise UpstreamMalformed("the provider sent a count that is none")
    return v1.CountTokensResponse(
        input_tokens=count, source=v1.USAGE_SOURCE_PROVIDER, served_model=deployment.upstream_model
    )
