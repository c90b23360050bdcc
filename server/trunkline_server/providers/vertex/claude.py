"""Claude as Vertex AI serves it: Anthropic's messages behind rawPredict.

The model stands in the path, the version in the body; counting has a path of its own, with the model in the body.
Files, automatic caching and media by address are Anthropic's own service only.

Source: the Vertex client of the `anthropic` package, 2.12.
"""

from dataclasses import replace
from typing import Final

from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import Counting
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.anthropic.counting import Count
from trunkline_server.providers.anthropic.dialect import Anthropic
from trunkline_server.providers.anthropic.flavour import Flavour
from trunkline_server.providers.anthropic.request import Encoded
from trunkline_server.providers.vertex.publishers import model_of, parent

__all__ = ["Claude"]

_FLAVOUR: Final = Flavour(
    name="vertex",
    model_in_body=False,
    version_in_body="vertex-2023-10-16",
    automatic_cache=False,
    files=False,
    addresses=False,
)


class Claude(Anthropic):
    """Claude on Vertex AI."""

    __slots__ = ()

    def __init__(self, flavour: Flavour = _FLAVOUR) -> None:
        super().__init__(flavour)

    @property
    def counting(self) -> Counting | None:
        """Counting wants the model in the body."""
        return Count(Claude(replace(_FLAVOUR, model_in_body=True)))

    def target(self, deployment: Deployment, *, stream: bool) -> str:
        """The model's path, and what is asked of it."""
        verb = "streamRawPredict" if stream else "rawPredict"
        return f"{_base(deployment)}/{model_of(deployment.upstream_model).path}:{verb}"

    def count_target(self, deployment: Deployment) -> str:
        """The one path of all models."""
        return f"{_base(deployment)}/publishers/anthropic/models/count-tokens:rawPredict"

    def request(self, encoded: Encoded, deployment: Deployment, target: str, *, stream: bool) -> HttpRequest:
        """A body as a request. Where it names the model, it does so without the publisher."""
        plain = replace(deployment, upstream_model=model_of(deployment.upstream_model).name)
        return super().request(encoded, plain, target, stream=stream)

    def credential(self, provider: Provider) -> dict[str, str]:
        """The headers that present the fixed key, if there is one."""
        return {"x-goog-api-key": provider.credential.reveal()} if provider.credential else {}


def _base(deployment: Deployment) -> str:
    return deployment.provider.base_path + parent(deployment.provider.settings)
