"""Counts of tokens by CountTokens.

It knows models by their own ids alone and refuses the profiles through which they are asked, so the id is sent without
the profile; where an id does not tell which model it stands for, there is no count.

Source: the shape CountTokensRequest in botocore 1.44; https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html.
"""

from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import CountingMissing
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.bedrock.families import family_of, foundation_model
from trunkline_server.providers.bedrock.request import converse_body, http_request
from trunkline_server.providers.counts import count_of

__all__ = ["CountTokens"]

_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class CountTokens:
    """Bedrock's CountTokens; a Counting."""

    __slots__ = ()

    def encode(self, request: v1.CompleteRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing, ProviderOptionRefused or CountingMissing."""
        model = foundation_model(deployment.upstream_model)
        known = deployment.capability.counts_tokens if deployment.capability else None
        if not model or not (family_of(deployment.upstream_model).counts if known is None else known):
            raise CountingMissing
        body, left_out = converse_body(request, deployment)
        counted = {name: body[name] for name in _COUNTED if name in body}
        return http_request(deployment, model, "count-tokens", {"input": {"converse": counted}}, left_out)

    def decode(self, body: bytes, deployment: Deployment) -> v1.CountTokensResponse:
        """The count. Raises UpstreamMalformed."""
        try:
            count = count_of(msgspec.json.decode(body), "inputTokens")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed() from error
        if count is None:
            raise _malformed()
        return v1.CountTokensResponse(
            input_tokens=count,
            source=v1.USAGE_SOURCE_PROVIDER,
            served_model=foundation_model(deployment.upstream_model),
        )


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent a count that is not in its own format")
