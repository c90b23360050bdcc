"""Builds the messages of a request from what people like to write.

Values of the contract are taken as they are, and so are the shapes of OpenAI's chat completions that have the same
meaning: parts {"type": "text"} and {"type": "image_url"}, and an assistant's "tool_calls".
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from trunkline import v1
from trunkline.notation import checked, checked_text, enum_value, json_bytes, placed, unknown_keys

__all__ = ["Content", "Messages", "blocks", "conversation"]

Part = (
    str
    | v1.Block
    | v1.Text
    | v1.Media
    | v1.ToolCall
    | v1.ToolResult
    | v1.Reasoning
    | v1.Citation
    | v1.ProviderOpaque
    | Mapping[str, Any]
)
"""One piece of a message: text, a block, what a block holds, or a part as OpenAI writes it."""
Content = Part | Sequence[Part]
"""What a message says: one piece, or several in order."""
Messages = str | v1.Message | Mapping[str, Any] | Sequence[v1.Message | Mapping[str, Any]]
"""A conversation: the user's text, or messages. {"role": "user", "content": Content}, with an optional "name"; results
of tools are {"role": "tool", "tool_call_id": "...", "content": Content}, with optional "name" and "is_error"."""

_WRAPPED: Final[Mapping[type, str]] = {
    v1.Text: "text",
    v1.Media: "media",
    v1.ToolCall: "tool_call",
    v1.ToolResult: "tool_result",
    v1.Reasoning: "reasoning",
    v1.Citation: "citation",
    v1.ProviderOpaque: "provider_opaque",
}
"""Messages of the contract that a block can hold -> the field that holds them."""
_MESSAGE_KEYS: Final = frozenset({"role", "content", "name"})
_KEYS: Final = {
    v1.ROLE_ASSISTANT: _MESSAGE_KEYS | {"tool_calls"},
    v1.ROLE_TOOL: _MESSAGE_KEYS | {"tool_call_id", "is_error"},
}
_PART_WORDS: Final = (
    'text, a v1.Block, a v1.Media(mime_type="image/png", data=...), {"type": "text", "text": ...} or '
    '{"type": "image_url", "image_url": {"url": ...}}'
)


def conversation(messages: Messages) -> list[v1.Message]:
    """The messages of the contract. Raises TypeError or ValueError that names the place."""
    match messages:
        case str():
            return [_message({"role": "user", "content": messages}, "messages[0]")]
        case v1.Message() | Mapping():
            return [_message(messages, "messages[0]")]
        case _:
            with placed("messages"):
                return [_message(each, f"messages[{index}]") for index, each in enumerate(messages)]


def _message(message: v1.Message | Mapping[str, Any], place: str) -> v1.Message:
    if isinstance(message, v1.Message):
        return message
    checked(message, Mapping, "a dict or a v1.Message", place)
    role = enum_value(v1.Role, "ROLE_", message.get("role"), f"{place}.role")
    unknown_keys(message, _KEYS.get(role, _MESSAGE_KEYS), place)
    calls = _tool_calls(message.get("tool_calls") or (), f"{place}.tool_calls")
    content = message.get("content", "")
    said = [] if calls and not content else blocks(content, f"{place}.content")
    with placed(place):
        if role == v1.ROLE_TOOL:
            return v1.Message(role=role, blocks=[v1.Block(tool_result=_tool_result(message, said, place))])
        name = checked_text(message.get("name", ""), f"{place}.name")
        return v1.Message(role=role, name=name, blocks=[*said, *calls])


def _tool_result(message: Mapping[str, Any], blocks: list[v1.Block], place: str) -> v1.ToolResult:
    if not message.get("tool_call_id"):
        raise ValueError(f"{place}.tool_call_id: name the ToolCall that this answers")
    return v1.ToolResult(
        tool_call_id=checked_text(message["tool_call_id"], f"{place}.tool_call_id"),
        name=checked_text(message.get("name", ""), f"{place}.name"),
        is_error=checked(message.get("is_error", False), bool, "True or False", f"{place}.is_error"),
        blocks=blocks,
    )


def blocks(content: Content, place: str) -> list[v1.Block]:
    """The blocks of one content. Raises TypeError or ValueError that names the place."""
    if isinstance(content, Sequence) and not isinstance(content, str | bytes):
        return [_block(part, f"{place}[{index}]") for index, part in enumerate(content)]
    return [_block(content, place)]


def _block(part: Part, place: str) -> v1.Block:
    if isinstance(part, str):
        part = v1.Text(text=_encodable(part, place))
    field = _WRAPPED.get(type(part))
    if field is not None:
        return v1.Block(**{field: part})  # type: ignore[arg-type] # the table holds what fits
    if isinstance(part, Mapping):
        return _openai_part(part, place)
    block: v1.Block = checked(part, v1.Block, _PART_WORDS, place)
    return block


def _encodable(text: str, place: str) -> str:
    with placed(place):
        text.encode()
    return text


def _openai_part(part: Mapping[str, Any], place: str) -> v1.Block:
    match part.get("type"):
        case "text":
            unknown_keys(part, frozenset({"type", "text"}), place)
            return _block(checked_text(part.get("text"), f"{place}.text"), place)
        case "image_url":
            unknown_keys(part, frozenset({"type", "image_url"}), place)
            return v1.Block(media=_picture(part.get("image_url"), f"{place}.image_url"))
        case _:
            raise ValueError(f"{place}: {_PART_WORDS}")


def _picture(image: Any, place: str) -> v1.Media:
    image = {"url": image} if isinstance(image, str) else checked(image, Mapping, "a dict with a url", place)
    unknown_keys(image, frozenset({"url", "detail"}), place)
    url = checked_text(image.get("url"), f"{place}.url")
    media = _media_of_data(url, f"{place}.url") if url.startswith("data:") else v1.Media(uri=url)
    if image.get("detail") is not None:
        media.detail = enum_value(v1.MediaDetail, "MEDIA_DETAIL_", image["detail"], f"{place}.detail")
    return media


def _media_of_data(url: str, place: str) -> v1.Media:
    """What a data URL (RFC 2397) holds."""
    head, _, body = url.removeprefix("data:").partition(",")
    mime_type, _, encoding = head.partition(";")
    if not mime_type or encoding != "base64":
        raise ValueError(f"{place}: a data URL reads data:image/png;base64,...")
    try:
        return v1.Media(mime_type=mime_type, data=base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError(f"{place}: what follows the comma is not base64") from None


def _tool_calls(calls: Any, place: str) -> list[v1.Block]:
    """An assistant's calls as OpenAI writes them."""
    checked(calls, (list, tuple), "a list", place)
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
