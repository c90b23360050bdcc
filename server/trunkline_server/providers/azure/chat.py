"""Chat completions and embeddings at Azure: OpenAI's, at another address and with another header."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.azure.address import at_azure, is_dated
from trunkline_server.providers.azure.errors import of_azure
from trunkline_server.providers.openai.dialect import OpenAI
from trunkline_server.providers.openai.embeddings import OpenAIEmbeddings
from trunkline_server.providers.openai.quirks import Quirks, Vectors
from trunkline_server.providers.openai.request import encode_request

__all__ = ["Azure"]

_QUIRKS: Final = Quirks(name="azure")
_KEYLESS: Final = replace(_QUIRKS, cache_key="", cache_marks="")


class Azure(OpenAI):
    """Azure OpenAI. Results of its content filter stand beside the answer, and are skipped: the finish reason tells."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_QUIRKS)
        self._embeddings = AzureEmbeddings(self.name, Vectors())

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        made = encode_request(request, deployment, _quirks_of(deployment), stream=stream)
        return at_azure(made, "/chat/completions", deployment, stream=stream)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return of_azure(super().decode_error(status, headers, body), body)


def _quirks_of(deployment: Deployment) -> Quirks:
    """A hint must not cost the call: dated APIs know no key of caches, and models of other vendors refuse it.

    https://github.com/vectorize-io/hindsight/issues/3518
    """
    known = deployment.capability.prompt_cache if deployment.capability else None
    return _KEYLESS if is_dated(deployment.provider) or (known is not None and "key" not in known) else _QUIRKS


class AzureEmbeddings(OpenAIEmbeddings):
    """How Azure is asked for vectors."""

    __slots__ = ()

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        return at_azure(super().encode(request, deployment), "/embeddings", deployment, stream=False)
