"""A CompleteRequest as Gemini's HTTP request.

1. Unset is not sent: the provider's own defaults hold.
2. What changes the answer and has no form here is refused, naming the field. Hints that have none are left out, and
   named in HttpRequest.left_out.
3. Labels, routing, limits in time and the idempotency key are the gateway's own and never sent; but labels go into
   Google's bill where the door has a place for them and the operator says so.
4. The key stands in a header, never in the URL.

Sources of the format: the discovery documents of the Gemini API, v1beta, revision 20260529, and of Vertex AI, v1,
revision 20260509, with the converters of google-genai 3.4.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.gemini.contents import Contents
from trunkline_server.providers.gemini.generation import generation_config
from trunkline_server.providers.gemini.options import Options
from trunkline_server.providers.gemini.tools import Tools
from trunkline_server.providers.gemini.ways import Ways
from trunkline_server.providers.headers import request_headers

__all__ = ["encode_request", "post", "request_body"]

_ENCODER: Final = msgspec.json.Encoder()

_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def encode_request(
    request: v1.CompleteRequest, deployment: Deployment, ways: Ways, model: str, *, stream: bool
) -> HttpRequest:
    """The provider's request; the caller's is valid already. `model` is the model's path.

    Raises CapabilityMissing or ProviderOptionRefused.
    """
    left_out: list[str] = []
    body = request_body(request, deployment, ways, left_out)
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return post(deployment.provider, f"{model}:{verb}", body, stream=stream, left_out=left_out)


def request_body(
    request: v1.CompleteRequest, deployment: Deployment, ways: Ways, left_out: list[str]
) -> dict[str, Any]:
    """The body of a request for an answer. Raises CapabilityMissing or ProviderOptionRefused."""
    # Permission first: what a caller may not do is told before what the provider can't.
    allowed = deployment.provider.allow_provider_options
    options = Options(request.provider_options, ways, allowed=allowed, left_out=left_out)
    tools = Tools(request, ways)
    contents = Contents(deployment, ways)
    contents.write(request.messages)
    body: dict[str, Any] = {"contents": contents.contents}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    body.update(tools.members)
    if config := generation_config(request, deployment, left_out):
        body["generationConfig"] = config
    if request.HasField("cache"):
        left_out += [f"cache.{field.name}" for field, _ in request.cache.ListFields()]
    if request.labels and ways.labels and deployment.provider.settings.get("send_labels"):
        body["labels"] = _labels(request.labels, left_out)
    options.add_to(body)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    left_out += tools.left_out
    left_out += contents.left_out
    return body


def post(
    provider: Provider, target: str, body: Any, *, stream: bool = False, left_out: list[str] | None = None
) -> HttpRequest:
    """A request to this provider; `target` is the path below its base URL."""
    own = {"x-goog-api-key": provider.credential.reveal()} if provider.credential else {}
    return HttpRequest(
        method="POST",
        endpoint=provider.endpoint,
        target=provider.base_path + target,
        headers=request_headers(provider, stream=stream, own=own),
        body=_ENCODER.encode(body),
        left_out=tuple(left_out or ()),
    )


def _labels(labels: Mapping[str, str], left_out: list[str]) -> dict[str, str]:
    """Those that Google takes: it knows fewer characters than we do."""
    taken = {key: value for key, value in labels.items() if _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)}
    left_out += [f'labels["{key}"]' for key in sorted(labels) if key not in taken]
    return taken
