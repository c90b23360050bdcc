"""A CompleteRequest as OpenAI's HTTP request.

1. Unset is not sent: the provider's own defaults hold.
2. What changes the answer and has no form here is refused, naming the field: sampling by ways that the provider does
   not know, more stop sequences than it takes. Hints that have none are left out, and named in HttpRequest.left_out.
3. Labels, routing, limits in time and the idempotency key are the gateway's own and never sent.

Source of the format: the request types of the `openai` package, 3.54.
"""

import re
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.headers import request_headers
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.openai.messages import Messages
from trunkline_server.providers.openai.options import refused_members
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.tools import Tools
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["encode_request"]

_ENCODER: Final = msgspec.json.Encoder()

_EFFORTS: Final = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "max",
}

_GPT: Final = re.compile(r"gpt-(\d)(?:\.(\d{1,3}))?(?:-|$)")


def encode_request(request: v1.CompleteRequest, deployment: Deployment, quirks: Quirks, *, stream: bool) -> HttpRequest:
    """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
    provider = deployment.provider
    left_out: list[str] = []
    # Permission first: what a caller may not do is told before what the provider can't.
    extra = extra_members(
        request.provider_options,
        quirks.name,
        refused_members(quirks),
        allowed=provider.allow_provider_options,
        left_out=left_out,
    )
    body = _body(request, deployment, quirks, left_out)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    body.update(extra)
    return HttpRequest(
        method="POST",
        endpoint=provider.endpoint,
        target=provider.base_path + quirks.path,
        headers=request_headers(provider, stream=stream, own=_authorization(provider)),
        body=_ENCODER.encode(body),
        left_out=tuple(left_out),
    )


def _body(request: v1.CompleteRequest, deployment: Deployment, quirks: Quirks, left_out: list[str]) -> dict[str, Any]:
    breakpoints = _takes_breakpoints(deployment.upstream_model, quirks)
    tools = Tools(request, quirks)
    messages = Messages(quirks, deployment.provider.name, breakpoints=breakpoints, custom_tools=tools.custom)
    messages.write(request.messages)
    body: dict[str, Any] = {"model": deployment.upstream_model, "messages": messages.wire}
    body.update(tools.members)
    if request.HasField("response_format"):
        _add_format(body, request.response_format)
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling, quirks)
    if request.HasField("reasoning"):
        _add_reasoning(body, request.reasoning, quirks, left_out)
    if request.HasField("cache"):
        _add_cache(body, request.cache, quirks, left_out, breakpoints=breakpoints)
    _add_bounds(body, request, deployment.provider, quirks)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    left_out += tools.left_out
    left_out += messages.left_out
    return body


def _add_bounds(body: dict[str, Any], request: v1.CompleteRequest, provider: Provider, quirks: Quirks) -> None:
    if request.HasField("max_output_tokens"):
        body[str(provider.settings.get("max_tokens_key", quirks.max_tokens_key))] = request.max_output_tokens
    if request.stop:
        if len(request.stop) > quirks.max_stop:
            raise missing("stop", f"this provider takes at most {quirks.max_stop} stop sequences")
        body["stop"] = list(request.stop)
    if request.HasField("seed"):
        body["seed"] = request.seed
    if request.HasField("logprobs"):
        body["logprobs"] = True
        if request.logprobs.HasField("top"):
            body["top_logprobs"] = request.logprobs.top


def _add_format(body: dict[str, Any], form: v1.ResponseFormat) -> None:
    kind = form.WhichOneof("kind")
    if kind == "json":
        body["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        wanted = form.json_schema
        schema: dict[str, Any] = {"name": wanted.name}
        if wanted.description:
            schema["description"] = wanted.description
        schema["schema"] = embedded(wanted.schema)
        if wanted.HasField("strict"):
            schema["strict"] = wanted.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_sampling(body: dict[str, Any], sampling: v1.Sampling, quirks: Quirks) -> None:
    for field, value in sampling.ListFields():
        if field.name not in quirks.sampling:
            how = f'leave it out, or give it in provider_options["{quirks.name}"] if the server behind it knows it'
            raise missing(f"sampling.{field.name}", f"this provider's dialect has no such way to sample; {how}")
        body[field.name] = value


def _add_reasoning(body: dict[str, Any], reasoning: v1.ReasoningConfig, quirks: Quirks, left_out: list[str]) -> None:
    if effort := _EFFORTS.get(reasoning.effort):
        if quirks.reasoning_effort:
            body["reasoning_effort"] = effort
        else:
            left_out.append("reasoning.effort")
    if reasoning.HasField("budget_tokens"):
        left_out.append("reasoning.budget_tokens")
    if reasoning.summary not in (v1.REASONING_SUMMARY_UNSPECIFIED, v1.REASONING_SUMMARY_NONE):
        left_out.append("reasoning.summary")


def _add_cache(
    body: dict[str, Any], cache: v1.CacheConfig, quirks: Quirks, left_out: list[str], *, breakpoints: bool
) -> None:
    if cache.key:
        if quirks.cache_key:
            body["prompt_cache_key"] = cache.key
        else:
            left_out.append("cache.key")
    if cache.HasField("ttl"):
        if breakpoints:
            body["prompt_cache_options"] = {"ttl": "30m"}  # the one time on offer
        else:
            left_out.append("cache.ttl")


def _takes_breakpoints(model: str, quirks: Quirks) -> bool:
    if quirks.cache_breakpoints_since is None:
        return False
    version = _GPT.match(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) >= quirks.cache_breakpoints_since


def _authorization(provider: Provider) -> dict[str, str]:
    return {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}
