"""Open models as Vertex AI serves them: OpenAI's chat completions behind one path.

Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis, read 2026-11. Which
parameters a model takes is its own business; what is not known there is not sent.
"""

from dataclasses import replace
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.openai.dialect import OpenAI
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.vertex.publishers import model_of, parent

__all__ = ["Chat"]

_PATH: Final = "/endpoints/openapi/chat/completions"
_QUIRKS: Final = Quirks(
    name="vertex",
    path=_PATH,
    developer_role=False,
    refusal_parts=False,
    media=frozenset({"pictures"}),
    names=False,
    max_tokens_key="max_tokens",
    cache_key="",
    cache_marks="",
    vectors=None,
)


class Chat(OpenAI):
    """Open models on Vertex AI."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_QUIRKS)

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing or ProviderOptionRefused."""
        provider = deployment.provider
        headers = provider.headers
        if provider.credential:
            headers = (("x-goog-api-key", provider.credential.reveal()), *headers)
        below = provider.base_path + parent(provider.settings)
        door = replace(provider, base_path=below, credential=None, headers=headers)
        named = replace(deployment, provider=door, upstream_model=model_of(deployment.upstream_model).name)
        return super().encode(request, named, stream=stream)
