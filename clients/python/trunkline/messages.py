"""Builds a CompleteRequest from what people like to write.

Values of the contract (v1.Message, v1.Tool, ...) are taken as they are; strings and dicts are the short forms. What
can't be understood raises TypeError or ValueError that names the place and what would be right.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict

from trunkline import v1

__all__ = ["CompletionOptions", "Content", "Messages", "build_request"]

Content = str | v1.Block | Sequence[str | v1.Block]
"""What a message says: text, a block, or several of both."""
Messages = str | v1.Message | Mapping[str, Any] | Sequence[v1.Message | Mapping[str, Any]]
"""A conversation: the user's text, or messages. {"role": "user", "content": Content}, with an optional "name"; results
of tools are {"role": "tool", "tool_call_id": "...", "content": Content}, with optional "name" and "is_error"."""


class CompletionOptions(TypedDict, total=False):
    """Options of `complete` and `stream`. What is left out is unset, which is not zero."""

    tools: Iterable[v1.Tool | v1.FunctionTool | v1.ProviderTool | Mapping[str, Any]] | None
    """Functions as dicts: {"name", "description", "parameters": a JSON Schema, "strict"}."""
    tool_choice: str | v1.ToolChoice | None
    """"auto", "none" or "required"."""
    response_format: str | Mapping[str, Any] | v1.ResponseFormat | None
    """"text", "json", or {"name", "schema": a JSON Schema, "description", "strict"}."""
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
    """"none", "minimal", "low", "medium", "high", "xhigh" or "max"."""
    logprobs: bool | int | None
    """True for the chosen tokens alone, or how many of the likeliest to return beside them."""
    labels: Mapping[str, str] | None
    idempotency_key: str | None
    provider_options: Mapping[str, bytes | Mapping[str, Any]] | None
    """By dialect: a JSON object as a dict or as bytes."""
    routing: v1.RoutingPreferences | None
    timeouts: v1.CallTimeouts | None
    cache: v1.CacheConfig | None


_SAMPLING: Final = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty")
_SCALARS: Final = ("max_output_tokens", "seed", "idempotency_key")
_MESSAGES: Final = ("routing", "timeouts", "cache")
_MESSAGE_KEYS: Final = frozenset({"role", "content", "name"})
_RESULT_KEYS: Final = _MESSAGE_KEYS | {"tool_call_id", "is_error"}
_FUNCTION_KEYS: Final = frozenset({"name", "description", "parameters", "strict"})
_FORMAT_KEYS: Final = frozenset({"name", "schema", "description", "strict"})


def build_request(
    model: str | None, messages: Messages | None, request: v1.CompleteRequest | None, options: CompletionOptions
) -> v1.CompleteRequest:
    """The request. It is either given whole or made of the other arguments."""
    if request is not None:
        if model is not None or messages is not None or options:
            raise TypeError("request: give it alone; it holds the model, the messages and the options")
        return request
    if model is None or messages is None:
        raise TypeError("model and messages: both are needed where no request is given")
    unknown = options.keys() - CompletionOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
    built = v1.CompleteRequest(model=model, messages=_conversation(messages))
    _apply(built, {name: value for name, value in options.items() if value is not None})
    return built


def _apply(request: v1.CompleteRequest, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name in _SCALARS:
            setattr(request, name, value)
        elif name in _SAMPLING:
            setattr(request.sampling, name, value)
        elif name in _MESSAGES:
            getattr(request, name).CopyFrom(value)
        else:
            _apply_form(request, name, value)


def _apply_form(request: v1.CompleteRequest, name: str, value: Any) -> None:
    """Options that are written in a form of their own."""
    match name:
        case "tools":
            request.tools.extend(_tool(tool) for tool in value)
        case "tool_choice":
            request.tool_choice.CopyFrom(_tool_choice(value))
        case "response_format":
            request.response_format.CopyFrom(_response_format(value))
        case "reasoning_effort":
            request.reasoning.effort = _effort(value)
        case "logprobs" if value is not False:
            request.logprobs.CopyFrom(v1.LogprobsConfig(top=None if value is True else value))
        case "stop":
            request.stop.extend([value] if isinstance(value, str) else value)
        case "labels":
            request.labels.update(value)
        case "provider_options":
            for dialect, members in value.items():
                request.provider_options[dialect] = _json(members)


def _conversation(messages: Messages) -> list[v1.Message]:
    match messages:
        case str():
            return [_message({"role": "user", "content": messages}, 0)]
        case v1.Message() | Mapping():
            return [_message(messages, 0)]
        case _:
            return [_message(each, index) for index, each in enumerate(messages)]


def _message(message: v1.Message | Mapping[str, Any], index: int) -> v1.Message:
    place = f"messages[{index}]"
    if isinstance(message, v1.Message):
        return message
    if not isinstance(message, Mapping):
        raise TypeError(f"{place}: a dict or a v1.Message, not {type(message).__name__}")
    role = _enum(v1.Role, "ROLE_", message.get("role"), f"{place}.role")
    known = _RESULT_KEYS if role == v1.ROLE_TOOL else _MESSAGE_KEYS
    if not message.keys() <= known:
        raise ValueError(f"{place}: a message has {', '.join(sorted(known))}; not {', '.join(message.keys() - known)}")
    blocks = _blocks(message.get("content", ""), place)
    if role == v1.ROLE_TOOL:
        return v1.Message(role=role, blocks=[v1.Block(tool_result=_tool_result(message, blocks, place))])
    return v1.Message(role=role, name=message.get("name", ""), blocks=blocks)


def _tool_result(message: Mapping[str, Any], blocks: list[v1.Block], place: str) -> v1.ToolResult:
    if not message.get("tool_call_id"):
        raise ValueError(f"{place}.tool_call_id: name the ToolCall that this answers")
    return v1.ToolResult(
        tool_call_id=message["tool_call_id"],
        name=message.get("name", ""),
        is_error=message.get("is_error", False),
        blocks=blocks,
    )


def _blocks(content: Content, place: str) -> list[v1.Block]:
    parts = [content] if isinstance(content, str | v1.Block) else content
    if not isinstance(parts, Sequence) or not all(isinstance(part, str | v1.Block) for part in parts):
        raise TypeError(f"{place}.content: text, a v1.Block, or a list of them")
    return [part if isinstance(part, v1.Block) else v1.Block(text=v1.Text(text=part)) for part in parts]


def _tool(tool: v1.Tool | v1.FunctionTool | v1.ProviderTool | Mapping[str, Any]) -> v1.Tool:
    match tool:
        case v1.Tool():
            return tool
        case v1.FunctionTool():
            return v1.Tool(function=tool)
        case v1.ProviderTool():
            return v1.Tool(provider=tool)
        case Mapping() if "name" in tool and tool.keys() <= _FUNCTION_KEYS:
            return v1.Tool(function=_function(**tool))
        case _:
            raise ValueError("tools: a v1.Tool, or a dict of name, description, parameters and strict")


def _function(name: str, description: str = "", parameters: Any = None, strict: bool | None = None) -> v1.FunctionTool:
    schema = b"" if parameters is None else _json(parameters)
    return v1.FunctionTool(name=name, description=description, parameters_json_schema=schema, strict=strict)


def _tool_choice(choice: str | v1.ToolChoice) -> v1.ToolChoice:
    if isinstance(choice, v1.ToolChoice):
        return choice
    return v1.ToolChoice(mode=_enum(v1.ToolChoiceMode, "TOOL_CHOICE_MODE_", choice, "tool_choice"))


def _response_format(wanted: str | Mapping[str, Any] | v1.ResponseFormat) -> v1.ResponseFormat:
    match wanted:
        case v1.ResponseFormat():
            return wanted
        case "text":
            return v1.ResponseFormat(text=v1.TextFormat())
        case "json":
            return v1.ResponseFormat(json=v1.JsonFormat())
        case Mapping() if {"name", "schema"} <= wanted.keys() <= _FORMAT_KEYS:
            return v1.ResponseFormat(json_schema=_schema_format(**wanted))
        case _:
            raise ValueError('response_format: "text", "json", or a dict of name, schema, description and strict')


def _schema_format(name: str, schema: Any, description: str = "", strict: bool | None = None) -> v1.JsonSchemaFormat:
    return v1.JsonSchemaFormat(name=name, schema=_json(schema), description=description, strict=strict)


def _effort(effort: "str | v1.ReasoningEffort.ValueType") -> Any:
    return (
        _enum(v1.ReasoningEffort, "REASONING_EFFORT_", effort, "reasoning_effort")
        if isinstance(effort, str)
        else effort
    )


def _enum(enum: Any, prefix: str, word: object, place: str) -> Any:
    """The value of an enum of the contract by its word in lower case."""
    words = [name.removeprefix(prefix).lower() for name in enum.keys()]  # noqa: SIM118 - not a dict
    words.remove("unspecified")
    if word not in words:
        raise ValueError(f"{place}: one of {', '.join(words)}, not {word!r}")
    return enum.Value(prefix + str(word).upper())


def _json(value: Any) -> bytes:
    """A JSON text in UTF-8; a str or bytes is taken for one already."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()
