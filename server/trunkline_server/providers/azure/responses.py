"""The Responses API at Azure: OpenAI's, at another address and with another header."""

from collections.abc import Mapping

from trunkline_server.core.deployment import Provider
from trunkline_server.core.errors import UpstreamError
from trunkline_server.providers.azure.address import key_header, path_of
from trunkline_server.providers.azure.errors import of_azure
from trunkline_server.providers.openai_responses.dialect import OpenAIResponses

__all__ = ["AzureResponses"]


class AzureResponses(OpenAIResponses):
    """Azure OpenAI's Responses API, which always names the deployment in the body."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The dialect's word."""
        return "azure-responses"

    def target(self, provider: Provider, path: str) -> str:
        """Path and query of a request."""
        return path_of(provider, path)

    def authorization(self, provider: Provider) -> dict[str, str]:
        """The header that carries the key, where there is one."""
        return key_header(provider)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The failure that an answer tells of. Never raises."""
        return of_azure(super().decode_error(status, headers, body), body)
