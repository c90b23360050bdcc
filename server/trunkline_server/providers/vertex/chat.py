"""Open models and Mistral's as Vertex AI serves them, in OpenAI's chat completions.

Open models stand behind one path, which names none of them. Mistral's stand behind rawPredict, as Claude does, and are
asked as Mistral itself is.

Sources, read 2026-11: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis and
https://docs.mistral.ai/deployment/cloud/vertex. Which parameters an open model takes is its own business; what is not
known there is not sent. What Mistral's take here of media are pictures
(https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/4519).
"""

from dataclasses import replace
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers import openai
from trunkline_server.providers.openai.dialect import OpenAI
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.vertex.publishers import Model, model_of, parent

__all__ = ["Chat", "Mistral"]


def _quirks_of(dialect: str) -> Quirks:
    """The ways of a provider that is in OpenAI's table."""
    (quirks,) = next(row.arguments for row in openai.ROWS if row.account.dialect == dialect)
    assert isinstance(quirks, Quirks)  # noqa: S101 - all rows of that table are made with theirs
    return quirks


_OPEN: Final = Quirks(
    name="vertex",
    path="",
    developer_role=False,
    refusal_parts=False,
    media=frozenset({"pictures"}),
    names=False,
    max_tokens_key="max_tokens",
    cache_key="",
    cache_marks="",
    vectors=None,
)
_MISTRAL: Final = replace(_quirks_of("mistral"), name="vertex", path="", media=frozenset({"pictures"}), vectors=None)


class Chat(OpenAI):
    """Open models on Vertex AI."""

    __slots__ = ()

    def __init__(self, quirks: Quirks = _OPEN) -> None:
        super().__init__(quirks)

    def operation(self, model: Model, *, stream: bool) -> str:  # noqa: ARG002 - the body says it
        """Where a model is asked, below the project and location."""
        return f"{model.path}/chat/completions"

    def encode(self, request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
        """The provider's request. Raises CapabilityMissing or ProviderOptionRefused."""
        provider, model = deployment.provider, model_of(deployment.upstream_model)
        headers = provider.headers
        if provider.credential:
            headers = (("x-goog-api-key", provider.credential.reveal()), *headers)
        target = f"{provider.base_path}{parent(provider.settings)}/{self.operation(model, stream=stream)}"
        door = replace(provider, base_path=target, credential=None, headers=headers)
        return super().encode(request, replace(deployment, provider=door, upstream_model=model.name), stream=stream)


class Mistral(Chat):
    """Mistral's models on Vertex AI."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_MISTRAL)

    def operation(self, model: Model, *, stream: bool) -> str:
        """Where a model is asked, below the project and location."""
        return f"{model.path}:{'streamRawPredict' if stream else 'rawPredict'}"
