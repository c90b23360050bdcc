"""A CompleteRequest as Anthropic's body.

1. Unset is not sent: the provider's own defaults hold. Only max_tokens is always there, because the wire wants it: the
   caller's, else the operator's default_max_tokens, else the most that the model gives, else DEFAULT_MAX_TOKENS.
2. What changes the answer and has no form here is refused, naming the field. Hints that have none are left out, and
   named in HttpRequest.left_out.
3. JSON that fits a schema is asked for as such; JSON of any shape, and schemas of models that can't be held to one, by
   a tool that the model has to call (tools.ANSWER_TOOL).

Source of the format: the request types of the `anthropic` package, 2.12.
"""

from dataclasses import dataclass
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.providers.anthropic.cache import CacheMarks
from trunkline_server.providers.anthropic.flavour import Flavour
from trunkline_server.providers.anthropic.messages import Messages, plain
from trunkline_server.providers.anthropic.options import REFUSED, needed_betas
from trunkline_server.providers.anthropic.reasoning import Thinking
from trunkline_server.providers.anthropic.tools import Tools, answer_tool, can_force
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.options import extra_members
from trunkline_server.providers.refusal import missing

__all__ = ["DEFAULT_MAX_TOKENS", "Encoded", "encode_body"]

DEFAULT_MAX_TOKENS: Final = 8192
"""Every model since Claude 3.5 gives as many."""

_ANY_OBJECT: Final = b'{"type":"object"}'
_RANGES: Final = {"temperature": 1.0, "top_p": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A request's body before an endpoint's own members, and what goes beside it."""

    body: dict[str, Any]
    extra: dict[str, Any]
    """Members that the caller adds by provider_options."""
    betas: list[str]
    left_out: list[str]


def encode_body(request: v1.CompleteRequest, deployment: Deployment, flavour: Flavour) -> Encoded:
    """The body; the caller's request is valid already. Raises CapabilityMissing or ProviderOptionRefused."""
    provider = deployment.provider
    left_out: list[str] = []
    # Permission first: what a caller may not do is told before what the provider can't.
    extra = extra_members(
        request.provider_options, flavour.name, REFUSED, allowed=provider.allow_provider_options, left_out=left_out
    )
    writer = _Writer(request, deployment, flavour, left_out)
    body = writer.write()
    configured = provider.settings.get("betas", "")
    betas = needed_betas(str(configured), _operators(provider), extra, writer.tools.types)
    return Encoded(body=body, extra=dict(extra), betas=betas, left_out=left_out)


def _operators(provider: Provider) -> str:
    return ",".join(value for name, value in provider.headers if name == "anthropic-beta")


class _Writer:
    """Writes one body."""

    def __init__(
        self, request: v1.CompleteRequest, deployment: Deployment, flavour: Flavour, left_out: list[str]
    ) -> None:
        self._request = request
        self._deployment = deployment
        self._flavour = flavour
        self._capability = deployment.capability
        self._left_out = left_out
        self._marks = CacheMarks(taken=_caches(deployment.capability))
        self._body: dict[str, Any] = {}
        self.tools = Tools(request, flavour, deployment.capability, self._marks)

    def write(self) -> dict[str, Any]:
        """The body."""
        request, body = self._request, self._body
        messages = Messages(self._flavour, self._deployment.provider.name, self._capability, self._marks)
        messages.write(request.messages)
        if not messages.wire:
            raise missing("messages", "this provider wants a turn behind the instructions; add one of the user's")
        body["max_tokens"] = self._max_tokens()
        unthought = messages.goes_on_unthought
        self._mark(messages)
        messages.finish()
        if messages.system:
            body["system"] = plain(messages.system)
        body["messages"] = messages.wire
        if messages.container:
            body["container"] = messages.container
        body.update(self.tools.members)
        thinking = self._think(unthought=unthought)
        if request.HasField("response_format"):
            self._form(request.response_format, thinks=thinking)
        if request.HasField("sampling"):
            self._sample(request.sampling, thinks=thinking)
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        self._refuse_strange()
        # Those of messages last: a replayed conversation may have many, and whoever shows them shows the first.
        self._left_out += self.tools.left_out
        self._left_out += messages.left_out
        return body

    def _max_tokens(self) -> int:
        if self._request.HasField("max_output_tokens"):
            return self._request.max_output_tokens
        setting = self._deployment.provider.settings.get("default_max_tokens")
        if type(setting) is int:
            return setting
        known = self._capability.max_output_tokens if self._capability else None
        return known or DEFAULT_MAX_TOKENS

    def _mark(self, messages: Messages) -> None:
        self._left_out += self._marks.settle()
        cache = self._request.cache
        if cache.key:
            self._left_out.append("cache.key")
        if not cache.HasField("ttl"):
            return
        control = (
            self._marks.automatic(cache.ttl.seconds, messages.last_part) if self._flavour.automatic_cache else None
        )
        if control:
            self._body["cache_control"] = control
        else:
            self._left_out.append("cache.ttl")

    def _think(self, *, unthought: bool) -> bool:
        request, body = self._request, self._body
        if not request.HasField("reasoning"):
            return False
        thinking = Thinking(
            request.reasoning,
            self._capability,
            max_tokens=body["max_tokens"],
            bound_by_caller=request.HasField("max_output_tokens"),
            unthought=unthought,
        )
        if thinking.on and self.tools.forced:
            raise missing("tool_choice.mode", "this provider forces no tools while the model thinks; let it decide")
        body["max_tokens"] = thinking.max_tokens
        if thinking.member:
            body["thinking"] = thinking.member
        if thinking.effort:
            body["output_config"] = {"effort": thinking.effort}
        self._left_out += thinking.left_out
        return thinking.on

    def _form(self, form: v1.ResponseFormat, *, thinks: bool) -> None:
        kind = form.WhichOneof("kind")
        if kind == "json":
            self._emulate("response_format.json", _ANY_OBJECT, "", strict=None, thinks=thinks)
        elif kind == "json_schema":
            wanted = form.json_schema
            self._left_out.append("response_format.json_schema.name")
            if self._capability is not None and self._capability.json_schema is False:
                path = "response_format.json_schema"
                strict = wanted.strict if wanted.HasField("strict") else None
                self._emulate(path, wanted.schema, wanted.description, strict=strict, thinks=thinks)
                return
            if wanted.description:
                self._left_out.append("response_format.json_schema.description")
            if wanted.HasField("strict"):
                self._left_out.append("response_format.json_schema.strict")  # it always is
            format_ = {"type": "json_schema", "schema": embedded(wanted.schema)}
            self._body.setdefault("output_config", {})["format"] = format_

    def _emulate(self, path: str, schema: bytes, description: str, *, strict: bool | None, thinks: bool) -> None:
        if self._request.tools:
            raise missing(path, "this provider can't be held to it while there are tools; leave one of them out")
        if thinks or not can_force(self._capability):
            text = (
                "this provider can't be held to it while the model thinks; ask for a JSON schema, or for no reasoning"
            )
            raise missing(path, text)
        self._body.update(answer_tool(schema, description, strict=strict))

    def _sample(self, sampling: v1.Sampling, *, thinks: bool) -> None:
        limits = (self._capability.sampling_limits if self._capability else None) or ()
        for field, value in sampling.ListFields():
            name = field.name
            path = f"sampling.{name}"
            if name not in ("temperature", "top_p", "top_k"):
                raise missing(path, "this provider has no such way to sample; leave it out")
            if name in _RANGES and value > _RANGES[name]:
                raise missing(path, f"this provider takes 0 to {_RANGES[name]:g}")
            is_default = name == "temperature" and value == 1
            if "refused" in limits and not is_default:
                raise missing(path, "this model takes its default only; leave it out")
            if thinks and "not_while_reasoning" in limits and not is_default:
                raise missing(path, "this model takes its default only while it reasons; leave it out")
            self._body[name] = value
        if "temperature_or_top_p" in limits and {"temperature", "top_p"} <= self._body.keys():
            raise missing("sampling.top_p", "this model takes temperature or top_p; leave one of them out")

    def _refuse_strange(self) -> None:
        if self._request.HasField("seed"):
            raise missing("seed", "this provider takes none; leave it out")
        if self._request.HasField("logprobs"):
            raise missing("logprobs", "this provider tells none; leave it out")


def _caches(capability: Capability | None) -> bool:
    return capability is None or capability.prompt_cache is None or bool(capability.prompt_cache)
