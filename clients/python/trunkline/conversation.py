"""Builds the messages of a request from what people like to write.

Values of the contract are taken as they are, and so are the shapes of OpenAI's chat completions that have the same
meaning: their parts, and an assistant's "tool_calls" and "refusal".
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from trunkline import v1
from trunkline.content import Content, blocks
from trunkline.notation import checked, checked_text, enum_value, json_bytes, placed, unknown_keys
from trunkline.turns import Assistant, MessageForm, System, ToolOutput, User

__all__ = ["Content", "Messages", "blocks", "conversation"]

Messages = str | Path | MessageForm | Sequence[MessageForm]
"""A conversation: the user's text, or turns. A turn is {"role": "user", "content": Content}, with an optional "name",
or trunkline.User(Content) and its like; results of tools are {"role": "tool", "tool_call_id": "...", "content":
Content}, with optional "name" and "is_error", or trunkline.ToolOutput(call, Content)."""

_MESSAGE_KEYS: Final = frozenset({"role", "content", "name"})
_KEYS: Final = {
    v1.ROLE_ASSISTANT: _MESSAGE_KEYS | {"tool_calls", "refusal"},
    v1.ROLE_TOOL: _MESSAGE_KEYS | {"tool_call_id", "is_error"},
}
_WORDS: Final = "a dict, trunkline.User(...) and its like, or a v1.Message, such as answer.message"
_BY_WORD: Final = {name.removeprefix("ROLE_").lower(): role for name, role in v1.Role.items() if role}
_ROLES: Final[Mapping[type, str]] = {System: "system", User: "user", Assistant: "assistant"}


def conversation(messages: Messages) -> list[v1.Message]:
    """The messages of the contract. Raises TypeError, ValueError or, for files, OSError; they name the place."""
    if isinstance(messages, str | Path):
        return [v1.Message(role=v1.ROLE_USER, blocks=blocks(messages, "messages[0].content"))]
    if isinstance(messages, v1.Message | Mapping) or _is_turn(messages) or _dumps(messages):
        return [_message(messages, "messages[0]")]
    several: Any = messages
    with placed("messages"):
        return [_message(each, f"messages[{index}]") for index, each in enumerate(several)]


def _is_turn(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _dumps(value: object) -> bool:
    """Whether it is a pydantic model, such as a message in an answer of OpenAI's client."""
    return callable(getattr(value, "model_dump", None)) and not isinstance(value, type)


def _message(message: Any, place: str) -> v1.Message:
    if isinstance(message, v1.Message):
        return message
    given = message if isinstance(message, Mapping) else _members(message, place)
    role = _role(given.get("role"), f"{place}.role")
    unknown_keys(given, _KEYS.get(role, _MESSAGE_KEYS), place)
    said = _said(given, role, place)
    with placed(place):
        if role == v1.ROLE_TOOL:
            return v1.Message(role=role, blocks=[v1.Block(tool_result=_tool_result(given, said, place))])
        return v1.Message(role=role, name=checked_text(given.get("name") or "", f"{place}.name"), blocks=said)


def _members(turn: Any, place: str) -> Mapping[str, Any]:
    """The dict form of a dataclass or a pydantic model."""
    if isinstance(turn, ToolOutput):
        call = checked(turn.call, (v1.ToolCall, str), "a v1.ToolCall or its id", f"{place}.call")
        number, name = (call, "") if isinstance(call, str) else (call.id, call.name)
        told = {"content": turn.content, "is_error": turn.is_error}
        return {"role": "tool", "tool_call_id": number, "name": name, **told}
    if _dumps(turn):
        dumped: Mapping[str, Any] = checked(turn.model_dump(), Mapping, "a model of a turn", place)
        return dumped
    if not _is_turn(turn):
        raise TypeError(f"{place}: {_WORDS}, not {type(turn).__name__}")
    members = {field.name: getattr(turn, field.name) for field in fields(turn)}
    role = _ROLES.get(type(turn))
    return members if role is None else {"role": role, **members}


def _role(word: Any, place: str) -> "v1.Role.ValueType":
    if isinstance(word, str) and word in _BY_WORD:
        return _BY_WORD[word]
    if word and not isinstance(word, str) and word in v1.Role.values():
        return word  # type: ignore[no-any-return] # v1.ROLE_USER and its like
    return enum_value(v1.Role, "ROLE_", word, place)  # type: ignore[no-any-return]


def _said(given: Mapping[str, Any], role: "v1.Role.ValueType", place: str) -> list[v1.Block]:
    """What the turn says, and after it what an assistant asks for."""
    content: Any = given.get("content")
    if role == v1.ROLE_TOOL and content is None:
        content = ""  # a tool that gave back nothing
    if role != v1.ROLE_ASSISTANT:
        return blocks(content, f"{place}.content")
    said = blocks(content, f"{place}.content") if content else []
    if given.get("refusal"):
        said += blocks([{"type": "refusal", "refusal": given["refusal"]}], place)
    return said + _tool_calls(given.get("tool_calls") or (), f"{place}.tool_calls")


def _tool_result(given: Mapping[str, Any], said: list[v1.Block], place: str) -> v1.ToolResult:
    if not given.get("tool_call_id"):
        raise ValueError(f"{place}.tool_call_id: name the ToolCall that this answers")
    return v1.ToolResult(
        tool_call_id=checked_text(given["tool_call_id"], f"{place}.tool_call_id"),
        name=checked_text(given.get("name") or "", f"{place}.name"),
        is_error=checked(given.get("is_error") or False, bool, "True or False", f"{place}.is_error"),
        blocks=said,
    )


def _tool_calls(calls: Any, place: str) -> list[v1.Block]:
    """An assistant's calls: of the contract, or as OpenAI writes them."""
    checked(calls, Sequence, "a list", place)
    return [v1.Block(tool_call=_tool_call(call, f"{place}[{index}]")) for index, call in enumerate(calls)]


def _tool_call(call: Any, place: str) -> v1.ToolCall:
    match call:
        case v1.ToolCall():
            return call
        case {"id": str(number), "function": {"name": str(name), "arguments": arguments}}:
            return v1.ToolCall(
                id=number, name=name, arguments_json=json_bytes(arguments, f"{place}.function.arguments")
            )
        case _:
            raise ValueError(f'{place}: a v1.ToolCall, or {{"id", "function": {{"name", "arguments"}}}}')
