"""A CompleteRequest as the HTTP request of Converse, ConverseStream or CountTokens.

1. Unset is not sent: the provider's own defaults hold.
2. What changes the answer and has no form here is refused, naming the field. Hints that have none are left out, and
   named in HttpRequest.left_out.
3. Labels, routing, limits in time and the idempotency key are the gateway's own and never sent.

Source of the format: the service model of bedrock-runtime in botocore 1.44.
"""

from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.bedrock.families import Family, family_of
from trunkline_server.providers.bedrock.messages import Marks, Messages
from trunkline_server.providers.bedrock.options import REFUSED, take_model_fields
from trunkline_server.providers.bedrock.reasoning import thinking_of
from trunkline_server.providers.bedrock.tools import Tools, answer_tool
from trunkline_server.providers.headers import request_headers
from trunkline_server.providers.jsontext import embedded, members_of
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["converse_body", "encode_request", "http_request"]

_ENCODER: Final = msgspec.json.Encoder()
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_MARKS: Final = frozenset({"marks", "breakpoints"})
_STOP_PATHS: Final = ("/stop_sequence",)
"""Where Claude says which stop sequence it met; other models have no such member, and Bedrock passes over it."""
_MAX_INT32: Final = (1 << 31) - 1

_Wire = dict[str, Any]


def encode_request(request: v1.CompleteRequest, deployment: Deployment, *, stream: bool) -> HttpRequest:
    """The provider's request; the caller's is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
    body, left_out = converse_body(request, deployment)
    verb = "converse-stream" if stream else "converse"
    return http_request(deployment, deployment.upstream_model, verb, body, left_out, stream=stream)


def http_request(
    deployment: Deployment, model: str, verb: str, body: _Wire, left_out: list[str], *, stream: bool = False
) -> HttpRequest:
    """The request for one of Bedrock's verbs. A model's id may be an ARN, with colons and slashes in it."""
    provider = deployment.provider
    return HttpRequest(
        method="POST",
        endpoint=provider.endpoint,
        target=f"{provider.base_path}/model/{_quoted(model)}/{verb}",
        headers=request_headers(provider, stream=stream, own=_authorization(provider), accept=_EVENT_STREAM),
        body=_ENCODER.encode(body),
        left_out=tuple(left_out),
    )


def converse_body(request: v1.CompleteRequest, deployment: Deployment) -> tuple[_Wire, list[str]]:
    """The body of Converse, and the paths of what is not in it. Raises as `encode_request` does."""
    left_out: list[str] = []
    # Permission first: what a caller may not do is told before what the provider can't.
    extra = extra_members(
        request.provider_options,
        "bedrock",
        REFUSED,
        allowed=deployment.provider.allow_provider_options,
        left_out=left_out,
    )
    body = _body(request, deployment, left_out)
    if extra:
        fields = body.pop("additionalModelRequestFields", {})
        take_model_fields(extra, fields)
        if fields:
            body["additionalModelRequestFields"] = fields
        body.update(extra)
    return body, left_out


def _body(request: v1.CompleteRequest, deployment: Deployment, left_out: list[str]) -> _Wire:
    family, capability = family_of(deployment.upstream_model), deployment.capability
    takes_marks = (
        capability is None or capability.prompt_cache is None or not _MARKS.isdisjoint(capability.prompt_cache)
    )
    marks = Marks(request.cache if request.HasField("cache") else None, taken=takes_marks)
    tools = Tools(request, family, marks)
    messages = Messages(marks, family, deployment.provider)
    messages.write(request.messages)
    messages.check()
    thinking = thinking_of(request, capability, family, unthought=messages.goes_on_unthought)
    body: _Wire = {"messages": messages.wire}
    if messages.system:
        body["system"] = messages.system
    if inference := _inference(request):
        body["inferenceConfig"] = inference
    output: _Wire = {"effort": thinking.effort} if thinking.effort else {}
    if request.HasField("response_format"):
        _add_format(tools, output, request, capability is not None and capability.json_schema is False, left_out)
    tools.after(messages.called, messages.path_of_call if messages.called else "")
    if thinking.active and tools.forced and not family.forced_while_thinking:
        raise missing(
            tools.forced, "this model can't be made to call a tool while it reasons; leave one of the two out"
        )
    if tools.config:
        body["toolConfig"] = tools.config
    if output:
        body["outputConfig"] = output
    if fields := {**thinking.members, **_sampling_fields(request, family), **tools.members}:
        body["additionalModelRequestFields"] = fields
    if request.stop:
        body["additionalModelResponseFieldPaths"] = _STOP_PATHS
    _refuse_unknown(request)
    _name_cache(request, marks, left_out)
    # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
    left_out += thinking.left_out
    left_out += tools.left_out
    left_out += messages.left_out
    return body


def _inference(request: v1.CompleteRequest) -> _Wire:
    made: _Wire = {}
    if request.HasField("max_output_tokens"):
        made["maxTokens"] = min(request.max_output_tokens, _MAX_INT32)
    if request.HasField("sampling"):
        if request.sampling.HasField("temperature"):
            made["temperature"] = _temperature(request.sampling)
        if request.sampling.HasField("top_p"):
            made["topP"] = request.sampling.top_p
    if request.stop:
        made["stopSequences"] = list(request.stop)
    return made


def _temperature(sampling: v1.Sampling) -> float:
    if sampling.temperature > 1:
        raise missing("sampling.temperature", "Bedrock takes 0 to 1")
    return sampling.temperature


def _sampling_fields(request: v1.CompleteRequest, family: Family) -> _Wire:
    """Ways of sampling that the model itself takes and Converse does not."""
    if not request.HasField("sampling"):
        return {}
    for name in ("min_p", "frequency_penalty", "presence_penalty"):
        if request.sampling.HasField(name):
            raise missing(f"sampling.{name}", "Bedrock has no such way to sample; leave it out")
    if not request.sampling.HasField("top_k"):
        return {}
    if not family.top_k:
        raise missing("sampling.top_k", "this model has no such way to sample; leave it out")
    *outer, last = family.top_k
    made: _Wire = {last: request.sampling.top_k}
    for name in reversed(outer):
        made = {name: made}
    return made


def _add_format(
    tools: Tools, output: _Wire, request: v1.CompleteRequest, no_schemas: bool, left_out: list[str]
) -> None:
    """The format of the answer: the model's own where it has one, else a tool that has to be called."""
    form = request.response_format
    kind = form.WhichOneof("kind")
    if kind == "json_schema" and not no_schemas:
        output["textFormat"] = _text_format(form.json_schema, left_out)
    elif kind in ("json", "json_schema"):
        path = f"response_format.{kind}"
        if request.tools:
            raise missing(path, "this model can't be held to it beside tools; leave one of the two out")
        tools.forced = path
        tools.config = _answer(form.json_schema) if kind == "json_schema" else answer_tool(None, "", strict=False)
        if kind == "json_schema":
            left_out.append(f"{path}.name")


def _text_format(wanted: v1.JsonSchemaFormat, left_out: list[str]) -> _Wire:
    schema: _Wire = {"schema": wanted.schema.decode(), "name": wanted.name}
    if wanted.description:
        schema["description"] = wanted.description
    if wanted.HasField("strict"):
        left_out.append("response_format.json_schema.strict")  # it always is
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _answer(wanted: v1.JsonSchemaFormat) -> _Wire:
    kind = members_of(wanted.schema).get("type")
    if kind is None or bytes(kind).strip() != b'"object"':
        text = "this model takes schemas of objects alone; write type: object at the top"
        raise missing("response_format.json_schema.schema", text)
    return answer_tool(embedded(wanted.schema), wanted.description, strict=wanted.strict)


def _refuse_unknown(request: v1.CompleteRequest) -> None:
    if request.HasField("seed"):
        raise missing("seed", "Bedrock takes no seed; leave it out")
    if request.HasField("logprobs"):
        raise missing("logprobs", "Bedrock gives no log probabilities; leave it out")


def _name_cache(request: v1.CompleteRequest, marks: Marks, left_out: list[str]) -> None:
    if request.HasField("cache"):
        if request.cache.key:
            left_out.append("cache.key")
        if request.cache.HasField("ttl") and not marks.used_ttl:
            left_out.append("cache.ttl")


def _authorization(provider: Provider) -> dict[str, str]:
    return {"authorization": f"Bearer {provider.credential.reveal()}"} if provider.credential else {}


@lru_cache(maxsize=1024)
def _quoted(model: str) -> str:
    return quote(model, safe="-._~")
