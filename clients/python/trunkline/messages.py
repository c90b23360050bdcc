"""Builds a CompleteRequest from what people like to write.

Values of the contract (v1.Message, v1.Tool, ...) are taken as they are; strings and dicts are the short forms. What
can't be understood raises TypeError or ValueError that names the place and what would be right.
"""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Final, TypedDict, get_origin

from trunkline import parts, v1
from trunkline.conversation import Content, Messages, conversation
from trunkline.notation import checked, checked_text, enum_value, json_bytes, placed, unknown_keys
from trunkline.tools import ToolForm, tool_choice, tools

__all__ = ["CompletionOptions", "Content", "Messages", "build_request"]


class CompletionOptions(TypedDict, total=False):
    """Options of `complete` and `stream`. What is left out, or None, is unset, which is not zero.

    tools: Python functions (see trunkline.Function), v1.Tool, or dicts {"name", "description", "parameters": a JSON
        Schema, "strict"}.
    tool_choice: "auto", "none", "required", the name of the tool that has to be called, or a v1.ToolChoice.
    response_format: "text", "json", or {"name", "schema": a JSON Schema, "description", "strict"}.
    temperature: 0 is the likeliest token always; providers take up to 1 or 2.
    top_p: only the likeliest tokens that together have this probability, 0 to 1.
    top_k: only this many of the likeliest tokens.
    min_p: only tokens at least this likely in proportion to the likeliest, 0 to 1.
    frequency_penalty: lowers the chance of tokens by how often they occurred, -2 to 2.
    presence_penalty: lowers the chance of tokens that occurred at all, -2 to 2.
    max_output_tokens: most tokens to generate, reasoning included.
    stop: a text that ends the answer, or up to 16 of them.
    seed: for providers that try to repeat themselves.
    reasoning_effort: "none", "minimal", "low", "medium", "high", "xhigh" or "max".
    logprobs: True for the chosen tokens alone, or how many of the likeliest to return beside them, 0 to 20.
    labels: labels of the caller's own, for records, routing and cost reports.
    idempotency_key: makes repeats of the call safe: calls of one key with the same value run once.
    provider_options: by dialect ("openai"), more members of the provider's request: a dict, or JSON as bytes.
    routing: v1.RoutingPreferences, wishes for routing.
    timeouts: v1.CallTimeouts, limits for the first token and for silence.
    cache: v1.CacheConfig, hints for the provider's prompt cache.

    For example:
        import trunkline

        options: trunkline.CompletionOptions = {"max_output_tokens": 200, "labels": {"team": "search"}}
        with trunkline.Client() as client:
            print(client.complete("fast", "Say hello.", **options).text)
    """

    tools: Iterable[ToolForm] | None
    tool_choice: str | Mapping[str, Any] | v1.ToolChoice | None
    response_format: str | Mapping[str, Any] | v1.ResponseFormat | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    max_output_tokens: int | None
    stop: str | Iterable[str] | None
    seed: int | None
    reasoning_effort: "str | v1.ReasoningEffort.ValueType | None"
    logprobs: bool | int | None
    labels: Mapping[str, str] | None
    idempotency_key: str | None
    provider_options: Mapping[str, bytes | Mapping[str, Any]] | None
    routing: v1.RoutingPreferences | None
    timeouts: v1.CallTimeouts | None
    cache: v1.CacheConfig | None


_SAMPLING: Final = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty")
_SCALARS: Final = ("max_output_tokens", "seed", "idempotency_key")
_MESSAGES: Final = ("routing", "timeouts", "cache")
_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    **dict.fromkeys(_SAMPLING, (Real, "a number")),
    "top_k": (Integral, "a whole number"),
    "max_output_tokens": (Integral, "a whole number"),
    "seed": (Integral, "a whole number"),
    "idempotency_key": (str, "text"),
    "routing": (v1.RoutingPreferences, "a v1.RoutingPreferences"),
    "timeouts": (v1.CallTimeouts, "a v1.CallTimeouts"),
    "cache": (v1.CacheConfig, "a v1.CacheConfig"),
    "labels": (Mapping, "a dict"),
    "provider_options": (Mapping, "a dict by dialect"),
}
"""What these options have to be, and the words for it. The others have forms that are checked where they are read."""
_FORMAT_KEYS: Final = frozenset({"name", "schema", "description", "strict"})


def build_request(
    model: str | None, messages: Messages | None, request: v1.CompleteRequest | None, options: CompletionOptions
) -> v1.CompleteRequest:
    """The request. It is either given whole or made of the other arguments."""
    if request is not None:
        if model is not None or messages is not None or options:
            raise TypeError("request: give it alone; it holds the model, the messages and the options")
        return request
    if options and (unknown := options.keys() - CompletionOptions.__annotations__.keys()):
        raise parts.unknown_options(unknown, CompletionOptions.__annotations__)
    if model is None or messages is None:
        raise TypeError("model and messages: both are needed where no request is given")
    name_of_model = checked(model, str, "text, and the messages after it", "model")
    built = v1.CompleteRequest(model=name_of_model, messages=conversation(messages))
    if not options:
        return built
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in CompletionOptions.__annotations__:  # the tools come before the choice among them
        if name in given:
            with placed(name):
                _apply(built, name, given[name])
    return built


def _apply(request: v1.CompleteRequest, name: str, value: Any) -> None:
    """Set one option."""
    if name in _KINDS:
        kind, words = _KINDS[name]
        checked(value, kind, words, name)
    if name in _SAMPLING:
        setattr(request.sampling, name, value)
    elif name in _SCALARS:
        setattr(request, name, value)
    elif name in _MESSAGES:
        getattr(request, name).CopyFrom(value)
    else:
        _apply_form(request, name, value)


def _apply_form(request: v1.CompleteRequest, name: str, value: Any) -> None:
    """Options that are written in a form of their own."""
    match name:
        case "tools":
            request.tools.extend(tools(value))
        case "tool_choice":
            request.tool_choice.CopyFrom(tool_choice(value, request.tools))
        case "response_format":
            request.response_format.CopyFrom(_response_format(value))
        case "reasoning_effort":
            request.reasoning.effort = _effort(value)
        case "logprobs":
            _apply_logprobs(request, value)
        case "stop":
            request.stop.extend(_stops(value))
        case "labels":
            request.labels.update({key: checked_text(label, f"labels[{key!r}]") for key, label in value.items()})
        case "provider_options":
            request.provider_options.update(
                {dialect: json_bytes(members, f"provider_options[{dialect!r}]") for dialect, members in value.items()}
            )


def _stops(given: str | Iterable[str]) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    return [checked_text(text, f"stop[{index}]") for index, text in enumerate(texts)]


def _apply_logprobs(request: v1.CompleteRequest, wanted: Any) -> None:
    if wanted is True:
        request.logprobs.SetInParent()
    elif wanted is not False:
        request.logprobs.top = checked(wanted, Integral, "True, False or a whole number", "logprobs")


def _response_format(wanted: str | Mapping[str, Any] | v1.ResponseFormat) -> v1.ResponseFormat:
    match wanted:
        case v1.ResponseFormat():
            return wanted
        case "text" | {"type": "text"}:
            return v1.ResponseFormat(text=v1.TextFormat())
        case "json" | {"type": "json_object"}:
            return v1.ResponseFormat(json=v1.JsonFormat())
        case {"type": "json_schema", "json_schema": Mapping() as inner}:
            return _schema_format(inner)
        case Mapping() if {"name", "schema"} <= wanted.keys():
            return _schema_format(wanted)
        case _ if isinstance(wanted, type) or get_origin(wanted) is not None:
            raise TypeError("response_format: to be answered with a value of a Python type, write output= instead")
        case _:
            raise ValueError(
                'response_format: "text", "json", or {"name": "...", "schema": a JSON Schema}, with "description" and '
                '"strict" where wanted; for a value of a Python type write output= instead'
            )


def _schema_format(wanted: Mapping[str, Any]) -> v1.ResponseFormat:
    unknown_keys(wanted, _FORMAT_KEYS, "response_format")
    strict = wanted.get("strict")
    return v1.ResponseFormat(
        json_schema=v1.JsonSchemaFormat(
            name=checked_text(wanted.get("name"), "response_format.name"),
            description=checked_text(wanted.get("description") or "", "response_format.description"),
            schema=json_bytes(wanted.get("schema"), "response_format.schema"),
            strict=None if strict is None else checked(strict, bool, "True or False", "response_format.strict"),
        )
    )


def _effort(effort: "str | v1.ReasoningEffort.ValueType") -> Any:
    return (
        enum_value(v1.ReasoningEffort, "REASONING_EFFORT_", effort, "reasoning_effort")
        if isinstance(effort, str)
        else effort
    )
