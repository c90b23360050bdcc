"""Says whether a request is one, before anything is done for it.

1. Every bound that the contract states is held here, and each violation names its field and the mend.
2. At most MAX_VIOLATIONS are told; the search ends there. Lists beyond their bound are refused without a look inside.
3. It is in the path of each call: only fields that are set are looked at, and paths are written only when needed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.errors import FieldViolation, ProviderOptionRefused
from trunkline_server.core.tools import configured_name, tool_name
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.services.bounds import (
    MAX_CACHE_KEY_BYTES,
    MAX_DESCRIPTION_BYTES,
    MAX_DIALECT_BYTES,
    MAX_FALLBACK_MODELS,
    MAX_IDEMPOTENCY_KEY_BYTES,
    MAX_LABEL_KEY_BYTES,
    MAX_LABEL_VALUE_BYTES,
    MAX_LABELS,
    MAX_PROVIDER_BYTES,
    MAX_PROVIDER_OPTION_BYTES,
    MAX_PROVIDER_OPTIONS,
    MAX_PROVIDERS_OR_REGIONS,
    MAX_REGION_BYTES,
    MAX_STOP_BYTES,
    MAX_STOPS,
    MAX_TOOL_TYPE_BYTES,
    MAX_TOOLS,
    MAX_TOOLS_JSON_BYTES,
    MAX_TOP_LOGPROBS,
)
from trunkline_server.services.conversation import Conversation
from trunkline_server.services.violations import Violations

_PLACES: Final = (
    ("allowed_providers", MAX_PROVIDER_BYTES),
    ("denied_providers", MAX_PROVIDER_BYTES),
    ("allowed_regions", MAX_REGION_BYTES),
    ("denied_regions", MAX_REGION_BYTES),
)
_LABEL_KEY_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_EFFORTS: Final = frozenset(v1.ReasoningEffort.values())
_SUMMARIES: Final = frozenset(v1.ReasoningSummary.values())
_TOOL_CHOICE_MODES: Final = frozenset(v1.ToolChoiceMode.values())


def validate(request: v1.CompleteRequest, path: str = "") -> None:
    """Returns if the request keeps the contract. Raises InvalidRequest with what it breaks, in order of the fields.

    `path` is where the request stands in the caller's: "request." in a CountTokensRequest.
    Raises ProviderOptionRefused for options of a dialect that there is not: every deployment would leave them out.
    """
    violations = Violations(path)
    if not request.model:
        violations.add("model", "required; set it to a name that ListModels gives")
    if not request.messages:
        violations.add("messages", "required; send at least one message")
    for field, value in request.ListFields():
        check = _CHECKS.get(field.name)
        if check:
            check(violations, value)
    # Not a check of one field: the choice is among the request's tools.
    if request.HasField("tool_choice"):
        _tool_choice(violations, request.tool_choice, request.tools)
    violations.enforce()
    refuse_unknown_dialects(request.provider_options, path)


def _model(violations: Violations, model: str) -> None:
    violations.model(model, "model")


def _messages(violations: Violations, messages: Sequence[v1.Message]) -> None:
    Conversation(violations).check(messages)


def _tools(violations: Violations, tools: Sequence[v1.Tool]) -> None:
    if not violations.count(len(tools), "tools", MAX_TOOLS):
        return
    if (size := _json_bytes(tools)) > MAX_TOOLS_JSON_BYTES:
        violations.add("tools", f"{size} bytes of JSON in all, at most {MAX_TOOLS_JSON_BYTES} are taken; shorten it")
        return
    names: set[str] = set()
    for index, tool in enumerate(tools):
        kind = tool.WhichOneof("kind")
        if kind == "function":
            _function(violations, tool.function, f"tools[{index}].function", names)
        elif kind == "provider":
            _provider_tool(violations, tool.provider, f"tools[{index}].provider", names)
        else:
            violations.add(f"tools[{index}]", "its kind is not set or not known; set function or provider")
        if tool.HasField("cache_mark") and tool.cache_mark.HasField("ttl"):
            violations.duration(tool.cache_mark.ttl, f"tools[{index}].cache_mark.ttl")


def _json_bytes(tools: Sequence[v1.Tool]) -> int:
    return sum(len(tool.function.parameters_json_schema) + len(tool.provider.config_json) for tool in tools)


def _function(violations: Violations, function: v1.FunctionTool, where: str, names: set[str]) -> None:
    name = function.name
    violations.name(name, f"{where}.name")
    if name in names:
        violations.add(f"{where}.name", "a tool before it has the same name; give each its own")
    names.add(name)
    violations.bound(function.description, f"{where}.description", MAX_DESCRIPTION_BYTES)
    if function.parameters_json_schema:
        violations.json_object(function.parameters_json_schema, f"{where}.parameters_json_schema")


def _provider_tool(violations: Violations, tool: v1.ProviderTool, where: str, names: set[str]) -> None:
    violations.require(tool.dialect, f"{where}.dialect")
    violations.bound(tool.dialect, f"{where}.dialect", MAX_DIALECT_BYTES)
    violations.require(tool.type, f"{where}.type")
    violations.bound(tool.type, f"{where}.type", MAX_TOOL_TYPE_BYTES)
    if tool.config_json:
        violations.json_object(tool.config_json, f"{where}.config_json")
        if name := configured_name(tool):
            if name in names:
                violations.add(f"{where}.config_json", "a tool before it has the same name; give each its own")
            names.add(name)


def _tool_choice(violations: Violations, choice: v1.ToolChoice, tools: Sequence[v1.Tool]) -> None:
    if choice.mode not in _TOOL_CHOICE_MODES:
        violations.add("tool_choice.mode", "not known; set one of ToolChoiceMode")
    if not tools:
        violations.add("tool_choice", "there are no tools to choose from; add tools, or leave it out")
    elif (
        len(tools) <= MAX_TOOLS
        and _json_bytes(tools) <= MAX_TOOLS_JSON_BYTES
        and violations.count(len(choice.allowed_tools), "tool_choice.allowed_tools", MAX_TOOLS)
    ):
        known = {tool_name(tool) for tool in tools} if choice.allowed_tools else ()
        for index, name in enumerate(choice.allowed_tools):
            if name not in known:
                violations.add(
                    f"tool_choice.allowed_tools[{index}]",
                    "no tool is called so; write the name of a function, or a provider tool's configured name or type",
                )


def _response_format(violations: Violations, form: v1.ResponseFormat) -> None:
    if form.HasField("json_schema"):
        schema = form.json_schema
        violations.name(schema.name, "response_format.json_schema.name")
        violations.bound(schema.description, "response_format.json_schema.description", MAX_DESCRIPTION_BYTES)
        violations.json_object(schema.schema, "response_format.json_schema.schema")


def _sampling(violations: Violations, sampling: v1.Sampling) -> None:
    for field, value in sampling.ListFields():
        low, high = _SAMPLING[field.name]
        # What is not a number is in no range.
        if not low <= value <= high:
            violations.add(f"sampling.{field.name}", f"must be a number from {low} to {high}")


def _reasoning(violations: Violations, reasoning: v1.ReasoningConfig) -> None:
    if reasoning.effort not in _EFFORTS:
        violations.add("reasoning.effort", "not known; set one of ReasoningEffort")
    if reasoning.budget_tokens < 0:
        violations.add("reasoning.budget_tokens", "below zero; set 0 or more, or leave it out")
    if reasoning.summary not in _SUMMARIES:
        violations.add("reasoning.summary", "not known; set one of ReasoningSummary")


def _max_output_tokens(violations: Violations, number: int) -> None:
    if number < 1:
        violations.add("max_output_tokens", "below one; set 1 or more, or leave it out for the model's own bound")


def _stop(violations: Violations, stops: Collection[str]) -> None:
    if not violations.count(len(stops), "stop", MAX_STOPS):
        return
    for index, stop in enumerate(stops):
        violations.require(stop, f"stop[{index}]")
        violations.bound(stop, f"stop[{index}]", MAX_STOP_BYTES)


def _logprobs(violations: Violations, logprobs: v1.LogprobsConfig) -> None:
    if not 0 <= logprobs.top <= MAX_TOP_LOGPROBS:
        violations.add("logprobs.top", f"must be a number from 0 to {MAX_TOP_LOGPROBS}")


def _cache(violations: Violations, cache: v1.CacheConfig) -> None:
    violations.bound(cache.key, "cache.key", MAX_CACHE_KEY_BYTES)
    if cache.HasField("ttl"):
        violations.duration(cache.ttl, "cache.ttl")


def _labels(violations: Violations, labels: Mapping[str, str]) -> None:
    if not violations.count(len(labels), "labels", MAX_LABELS):
        return
    for key, value in labels.items():
        if not key or len(key) > MAX_LABEL_KEY_BYTES or not _LABEL_KEY_CHARS.issuperset(key):
            violations.add("labels", "a key that is none; use 1 to 64 of a-z, 0-9, dot, dash and underscore")
        else:
            violations.bound(value, f'labels["{key}"]', MAX_LABEL_VALUE_BYTES)


def _routing(violations: Violations, routing: v1.RoutingPreferences) -> None:
    for name, most in _PLACES:
        words = getattr(routing, name)
        if words and violations.count(len(words), f"routing.{name}", MAX_PROVIDERS_OR_REGIONS):
            for index, word in enumerate(words):
                violations.bound(word, f"routing.{name}[{index}]", most)
    if violations.count(len(routing.fallback_models), "routing.fallback_models", MAX_FALLBACK_MODELS):
        for index, model in enumerate(routing.fallback_models):
            violations.require(model, f"routing.fallback_models[{index}]")
            violations.model(model, f"routing.fallback_models[{index}]")
    if routing.max_cost_nano_usd < 0:
        violations.add("routing.max_cost_nano_usd", "below zero; set 0 or more, or leave it out")


def _timeouts(violations: Violations, timeouts: v1.CallTimeouts) -> None:
    if timeouts.HasField("first_token"):
        violations.duration(timeouts.first_token, "timeouts.first_token")
    if timeouts.HasField("idle"):
        violations.duration(timeouts.idle, "timeouts.idle")


def _idempotency_key(violations: Violations, key: str) -> None:
    violations.bound(key, "idempotency_key", MAX_IDEMPOTENCY_KEY_BYTES)


def _provider_options(violations: Violations, options: Mapping[str, bytes]) -> None:
    if not violations.count(len(options), "provider_options", MAX_PROVIDER_OPTIONS):
        return
    for dialect, data in options.items():
        if not dialect or len(dialect) > MAX_LABEL_KEY_BYTES or not _LABEL_KEY_CHARS.issuperset(dialect):
            violations.add("provider_options", 'a key that names no dialect; use a name such as "openai"')
        else:
            violations.json_object(data, f'provider_options["{dialect}"]', MAX_PROVIDER_OPTION_BYTES)


def refuse_unknown_dialects(options: Mapping[str, bytes], path: str = "") -> None:
    """Returns if all options are for dialects that there are. Raises ProviderOptionRefused."""
    for name in sorted(options):
        if name not in DIALECTS:
            near = get_close_matches(name, DIALECTS, n=1)
            mend = f'write "{near[0]}"' if near else "ListModels tells the dialect of each deployment"
            raise ProviderOptionRefused(
                FieldViolation(
                    field=f'{path}provider_options["{name}"]', description=f"no dialect of this name; {mend}"
                )
            )


_SAMPLING: Final[dict[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (1, 2**31 - 1),
    "min_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}

ROUTED: Final[dict[str, Callable[[Violations, Any], None]]] = {
    "model": _model,
    "labels": _labels,
    "routing": _routing,
    "idempotency_key": _idempotency_key,
    "provider_options": _provider_options,
}
"""By field: what requests of all kinds have that go to a model."""

_CHECKS: Final[dict[str, Callable[[Violations, Any], None]]] = {
    **ROUTED,
    "messages": _messages,
    "tools": _tools,
    "response_format": _response_format,
    "sampling": _sampling,
    "reasoning": _reasoning,
    "max_output_tokens": _max_output_tokens,
    "stop": _stop,
    "logprobs": _logprobs,
    "cache": _cache,
    "timeouts": _timeouts,
}
"""By field. What is not here needs no check, or is checked with the others (tool_choice)."""
