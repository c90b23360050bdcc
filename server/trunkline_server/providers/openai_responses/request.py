"""A CompleteRequest as a request of the Responses API.

1. Unset is not sent: the provider's own defaults hold. Nothing is ever stored at the provider, so reasoning is asked
   for in a form that the next turn can bring back.
2. What changes the answer and has no form here is refused, naming the field: stop sequences, a seed, other ways to
   sample. Hints that have none are left out, and named in HttpRequest.left_out.
3. Labels, routing, limits in time and the idempotency key are the gateway's own and never sent.

Instructions of the system and the developer stand where the caller put them: `instructions` would know one place only,
and not every server takes it.

Source of the format: the request types of the `openai` package, 3.54.
"""

from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.capability import Capability, Effort
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.openai_responses.items import Items
from trunkline_server.providers.openai_responses.options import REFUSED, merge
from trunkline_server.providers.openai_responses.tools import Tools
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["body_of", "encode_body", "encoded"]

_ENCODER: Final = msgspec.json.Encoder()

_EFFORTS: Final[dict[int, Effort]] = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "max",
}
_SUMMARIES: Final = {
    v1.REASONING_SUMMARY_AUTO: "auto",
    v1.REASONING_SUMMARY_CONCISE: "concise",
    v1.REASONING_SUMMARY_DETAILED: "detailed",
}
_SAMPLING: Final = frozenset({"temperature", "top_p"})
_HALF_AN_HOUR_S: Final = 1800
MIN_OUTPUT_TOKENS: Final = 16
"""OpenAI refuses a smaller bound, by its specification."""


def encode_body(
    request: v1.CompleteRequest, deployment: Deployment, dialect: str, *, stream: bool
) -> tuple[bytes, tuple[str, ...]]:
    """Body and `left_out` of the request for an answer. Raises CapabilityMissing or ProviderOptionRefused."""
    body, left_out = body_of(request, deployment, dialect)
    if stream:
        body["stream"] = True
    return encoded(body), left_out


def encoded(body: dict[str, Any]) -> bytes:
    """A body as bytes."""
    return _ENCODER.encode(body)


def body_of(
    request: v1.CompleteRequest, deployment: Deployment, dialect: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body of the request for a whole answer, as members, and what was left out."""
    provider = deployment.provider
    left_out: list[str] = []
    # Permission first: what a caller may not do is told before what the provider can't.
    extra = extra_members(
        request.provider_options, dialect, REFUSED, allowed=provider.allow_provider_options, left_out=left_out
    )
    can = deployment.capability or Capability()
    breakpoints = can.prompt_cache is None or "breakpoints" in can.prompt_cache
    tools = Tools(request, dialect)
    items = Items(dialect, provider.name, breakpoints=breakpoints, custom_tools=tools.custom)
    items.write(request.messages)
    body: dict[str, Any] = {"model": deployment.upstream_model, "input": items.wire, "store": False}
    body.update(tools.members)
    least = int(str(provider.settings.get("min_output_tokens", MIN_OUTPUT_TOKENS)))
    _add_settings(body, request, can, left_out, breakpoints=breakpoints, least=least)
    if include := _include(request, deployment, can):
        body["include"] = include
    merge(body, extra, dialect)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    return body, (*left_out, *tools.left_out, *items.left_out)


def _include(request: v1.CompleteRequest, deployment: Deployment, can: Capability) -> list[str]:
    include = []
    # A model that does not reason refuses the call for it.
    if can.reasoning is not False and deployment.provider.settings.get("encrypted_reasoning", True):
        include.append("reasoning.encrypted_content")
    if request.HasField("logprobs"):
        include.append("message.output_text.logprobs")
    return include


def _add_settings(
    body: dict[str, Any],
    request: v1.CompleteRequest,
    can: Capability,
    left_out: list[str],
    *,
    breakpoints: bool,
    least: int,
) -> None:
    if request.HasField("response_format"):
        _add_format(body, request.response_format)
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling)
    if request.HasField("reasoning"):
        _add_reasoning(body, request.reasoning, can, left_out)
    if request.HasField("max_output_tokens"):
        if request.max_output_tokens < least:
            raise missing("max_output_tokens", f"this provider takes {least} or more")
        body["max_output_tokens"] = request.max_output_tokens
    if request.stop:
        raise missing("stop", "this provider's dialect has no stop sequences; leave them out")
    if request.HasField("seed"):
        raise missing("seed", "this provider's dialect has no seed; leave it out")
    if request.HasField("logprobs") and request.logprobs.HasField("top"):
        body["top_logprobs"] = request.logprobs.top
    if request.HasField("cache"):
        _add_cache(body, request.cache, left_out, breakpoints=breakpoints)


def _add_format(body: dict[str, Any], form: v1.ResponseFormat) -> None:
    kind = form.WhichOneof("kind")
    if kind == "json":
        body["text"] = {"format": {"type": "json_object"}}
    elif kind == "json_schema":
        wanted = form.json_schema
        schema: dict[str, Any] = {"type": "json_schema", "name": wanted.name}
        if wanted.description:
            schema["description"] = wanted.description
        schema["schema"] = embedded(wanted.schema)
        if wanted.HasField("strict"):
            schema["strict"] = wanted.strict
        body["text"] = {"format": schema}


def _add_sampling(body: dict[str, Any], sampling: v1.Sampling) -> None:
    for field, value in sampling.ListFields():
        if field.name not in _SAMPLING:
            raise missing(f"sampling.{field.name}", "this provider's dialect takes temperature and top_p; leave it out")
        body[field.name] = value


def _add_reasoning(body: dict[str, Any], reasoning: v1.ReasoningConfig, can: Capability, left_out: list[str]) -> None:
    wire: dict[str, Any] = {}
    if effort := _EFFORTS.get(reasoning.effort):
        wire["effort"] = can.nearest_effort(effort) or effort
        if wire["effort"] != effort and can.reasoning is not False:
            left_out.append("reasoning.effort")
    if summary := _SUMMARIES.get(reasoning.summary):
        wire["summary"] = summary
    if can.reasoning is False:  # it would refuse the call for them
        left_out.extend(f"reasoning.{name}" for name in wire)
    elif wire:
        body["reasoning"] = wire
    if reasoning.HasField("budget_tokens"):
        left_out.append("reasoning.budget_tokens")


def _add_cache(body: dict[str, Any], cache: v1.CacheConfig, left_out: list[str], *, breakpoints: bool) -> None:
    if cache.key:
        body["prompt_cache_key"] = cache.key
    if cache.HasField("ttl"):
        if breakpoints:
            body["prompt_cache_options"] = {"ttl": "30m" if cache.ttl.seconds <= _HALF_AN_HOUR_S else "12h"}
        else:
            left_out.append("cache.ttl")
