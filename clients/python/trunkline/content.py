"""What one message says, from what people like to write.

Values of the contract are taken as they are. So are files by their pathlib.Path, and the parts of OpenAI's chat
completions that have the same meaning.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from trunkline import v1
from trunkline.media import file_block, openai_audio, openai_file, openai_picture
from trunkline.notation import checked, checked_text, unknown_keys

__all__ = ["Content", "Part", "blocks"]

Part = (
    str
    | Path
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
"""One piece of a message: text, a file, a block, what a block holds, or a part as OpenAI writes it."""
Content = Part | Sequence[Part]
"""What a message says: one piece, or several in order."""

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
_WORDS: Final = (
    'text, a pathlib.Path, a v1.Block, a v1.Media(mime_type="image/png", data=...), {"type": "text", "text": ...} or '
    '{"type": "image_url", "image_url": {"url": ...}}'
)
_BARE: Final = (bytes, bytearray, memoryview)


def blocks(content: Content, place: str) -> list[v1.Block]:
    """The blocks of the contract. Files are read here. Raises TypeError, ValueError or OSError that names the place."""
    if isinstance(content, str):
        return [_text(content, place)]
    if isinstance(content, Sequence) and not isinstance(content, _BARE):
        named = len(content) > 1
        return [_block(part, f"{place}[{index}]", named=named) for index, part in enumerate(content)]
    return [_block(content, place, named=False)]


def _block(part: Any, place: str, *, named: bool) -> v1.Block:
    """One block. `named`: the text of a file follows its name."""
    if isinstance(part, str):
        return _text(part, place)
    field = _WRAPPED.get(type(part))
    if field is not None:
        return v1.Block(**{field: part})
    if isinstance(part, v1.Block):
        return part
    if isinstance(part, Path):
        return file_block(part, place, named=named)
    if isinstance(part, _BARE):
        raise TypeError(
            f"{place}: bytes do not say what they are; write v1.Media(mime_type=..., data=...), a pathlib.Path, "
            f"or text, not {type(part).__name__}"
        )
    return _openai_part(checked(part, Mapping, _WORDS, place), place)


def _text(text: str, place: str) -> v1.Block:
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        raise ValueError(f"{place}: text that is no Unicode at character {wrong.start}") from None
    return v1.Block(text=v1.Text(text=text))


def _openai_part(part: Mapping[str, Any], place: str) -> v1.Block:
    kind = part.get("type")
    if kind not in ("text", "refusal", "image_url", "input_audio", "file"):
        raise ValueError(f"{place}: {_WORDS}, not one of type {kind!r}")
    unknown_keys(part, frozenset({"type", kind}), place)
    inner, place = part.get(kind), f"{place}.{kind}"
    match kind:
        case "text":
            return _text(checked_text(inner, place), place)
        case "refusal":
            return v1.Block(text=v1.Text(text=checked_text(inner, place), is_refusal=True))
        case "image_url":
            return v1.Block(media=openai_picture(inner, place))
        case "input_audio":
            return v1.Block(media=openai_audio(inner, place))
        case _:
            return v1.Block(media=openai_file(inner, place))
