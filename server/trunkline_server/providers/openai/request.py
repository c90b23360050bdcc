"""A CompleteRequest as OpenAI's HTTP request.

1. Unset is not sent: the provider's own defaults hold.
2. What changes the answer and has no form here is refused, naming the field: sampling by ways that the provider does
   not know, more stop sequences than it takes. Hints that have none are left out, and named in HttpRequest.left_out.
3. Labels, routing, limits in time and the idempotency key are the gateway's own and never sent.

Source of the format: the request types of the `openai` package, 3.54.
"""

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
from trunkline_server.providers.openai.reasoning import add_reasoning
from trunkline_server.providers.openai.tools import Tools
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["encode_request"]

_ENCODER: Final = msgspec.json.Encoder()

_MARKED: Final = frozenset({"marks", "breakpoints"})


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
        if quirks.stream_options:
            body["stream_options"] = {"include_usage": True}
    body.update(quirks.fixed)
    body.update(extra)
    return HttpRequest(
        method="POST",
        endpoint=provider.endpoint,
        target=provider.base_path + quirks.path,
        headers=request_headers(provider, stream=stream, own=_own_headers(request, provider, quirks)),
        body=_ENCODER.encode(body),
        left_out=tuple(left_out),
    )


def _body(request: v1.CompleteRequest, deployment: Deployment, quirks: Quirks, left_out: list[str]) -> dict[str, Any]:
    mark = cache_mark(deployment, quirks)
    tools = Tools(request, quirks)
    reasons = _reasons(request, deployment)
    messages = Messages(quirks, deployment.provider.name, mark=mark, custom_tools=tools.custom, reasons=reasons)
    messages.write(request.messages)
    body: dict[str, Any] = {"model": deployment.upstream_model, "messages": messages.wire}
    body.update(tools.members)
    if request.HasField("response_format"):
        _add_format(body, request.response_format, quirks)
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling, quirks)
    if request.HasField("reasoning"):
        add_reasoning(body, request.reasoning, deployment.capability, quirks.reasoning, left_out)
    if request.HasField("cache"):
        _add_cache(body, request.cache, quirks, left_out, mark=mark)
    _add_bounds(body, request, deployment.provider, quirks)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    left_out += tools.left_out
    left_out += messages.left_out
    return body


def _reasons(request: v1.CompleteRequest, deployment: Deployment) -> bool:
    """Whether the model may reason in this call: it can, as far as known, and is not told to leave it."""
    if deployment.capability and deployment.capability.reasoning is False:
        return False
    return request.reasoning.effort != v1.REASONING_EFFORT_NONE


def _add_bounds(body: dict[str, Any], request: v1.CompleteRequest, provider: Provider, quirks: Quirks) -> None:
    if request.HasField("max_output_tokens"):
        body[str(provider.settings.get("max_tokens_key", quirks.max_tokens_key))] = request.max_output_tokens
    if request.stop:
        if quirks.max_stop is not None and len(request.stop) > quirks.max_stop:
            raise missing("stop", f"this provider takes at most {quirks.max_stop} stop sequences")
        body["stop"] = list(request.stop)
    if request.HasField("seed"):
        if not quirks.seed:
            raise missing("seed", "this provider takes no seed; leave it out")
        body[quirks.seed] = request.seed
    if request.HasField("logprobs"):
        if not quirks.logprobs:
            raise missing("logprobs", "this provider gives no log probabilities; leave it out")
        body["logprobs"] = True
        if request.logprobs.HasField("top"):
            body["top_logprobs"] = request.logprobs.top


def _add_format(body: dict[str, Any], form: v1.ResponseFormat, quirks: Quirks) -> None:
    kind = form.WhichOneof("kind")
    if kind == "json":
        body["response_format"] = _any_json(quirks)
    elif kind == "json_schema":
        if "json_schema" not in quirks.formats:
            how = (
                "ask for json, and write the schema into the prompt" if quirks.formats else "describe it in the prompt"
            )
            raise missing("response_format.json_schema", f"this provider can't be held to a schema; {how}")
        wanted = form.json_schema
        schema: dict[str, Any] = {"name": wanted.name}
        if wanted.description:
            schema["description"] = wanted.description
        schema["schema"] = embedded(wanted.schema)
        if wanted.HasField("strict"):
            schema["strict"] = wanted.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}


def _any_json(quirks: Quirks) -> dict[str, Any]:
    if "json_object" in quirks.formats:
        return {"type": "json_object"}
    if "json_schema" in quirks.formats:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    raise missing("response_format.json", "this provider can't be held to JSON; ask for it in the prompt")


def _add_sampling(body: dict[str, Any], sampling: v1.Sampling, quirks: Quirks) -> None:
    for field, value in sampling.ListFields():
        if field.name not in quirks.sampling:
            how = f'leave it out, or give it in provider_options["{quirks.name}"] if the server behind it knows it'
            raise missing(f"sampling.{field.name}", f"this provider's dialect has no such way to sample; {how}")
        body[field.name] = value


def _add_cache(body: dict[str, Any], cache: v1.CacheConfig, quirks: Quirks, left_out: list[str], *, mark: str) -> None:
    if cache.key:
        if quirks.cache_key:
            body[quirks.cache_key] = cache.key
        elif not _fits_header(cache.key, quirks):
            left_out.append("cache.key")
    if cache.HasField("ttl"):
        if mark == "prompt_cache_breakpoint":
            body["prompt_cache_options"] = {"ttl": "30m"}  # the one time on offer
        else:
            left_out.append("cache.ttl")


def cache_mark(deployment: Deployment, quirks: Quirks) -> str:
    """The member that marks a part for the cache; empty where there is none.

    A hint must not cost the call: models that know no breakpoints refuse them, so that only those get them of which it
    is known. Other marks are passed over by models that can't heed them.
    """
    known = deployment.capability.prompt_cache if deployment.capability else None
    if known is None:
        return quirks.cache_marks if quirks.cache_marks != "prompt_cache_breakpoint" else ""
    return "" if _MARKED.isdisjoint(known) else quirks.cache_marks


def _own_headers(request: v1.CompleteRequest, provider: Provider, quirks: Quirks) -> dict[str, str]:
    own = {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}
    if quirks.cache_header and _fits_header(request.cache.key, quirks):
        own[quirks.cache_header] = request.cache.key
    return own


def _fits_header(key: str, quirks: Quirks) -> bool:
    """Whether a cache key goes into a header: there is one for it, and nothing in the key could end the line."""
    return bool(quirks.cache_header and key and key.isascii() and key.isprintable() and key == key.strip())
