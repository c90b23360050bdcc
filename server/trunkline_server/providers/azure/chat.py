"""Chat completions and embeddings at Azure: OpenAI's, at another address and with another header."""

from collections.abc import Mapping
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.azure.address import at_azure
from trunkline_server.providers.azure.errors import of_azure
from trunkline_server.providers.openai.dialect import OpenAI
from trunkline_server.providers.openai.embeddings import OpenAIEmbeddings
from trunkline_server.providers.openai.quirks import Quirks, Vectors

__all__ = ["Azure"]

_QUIRKS: Final = Quirks(name="azure")


class Azure(OpenAI):
    """Azure OpenAI. Results of its content filter stand beside the answer, and are skipped: the finish reason tells."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_QUIRKS)
        self._embeddings = AzureEmbeddings(self.name, Vectors())

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
        made = super().encode(request, deployment, stream=stream)
        return at_azure(made, "/chat/completions", deployment, stream=stream)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return of_azure(super().decode_error(status, headers, body), body)


class AzureEmbeddings(OpenAIEmbeddings):
    """How Azure is asked for vectors."""

    __slots__ = ()

    def encode(self, request: v1.EmbedRequest, deployment: Deployment) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing and ProviderOptionRefused."""
        return at_azure(super().encode(request, deployment), "/embeddings", deployment, stream=False)
