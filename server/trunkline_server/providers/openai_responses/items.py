"""The conversation as input items of the Responses API.

1. Texts, calls of tools and their results always travel. Arguments and texts are the caller's, byte for byte, also
   where a signature holds the rest of the item.
2. What this format's providers made (thoughts, signatures, items of their own tools, citations) goes back as it came,
   in order; pieces.py says what stands where. It is checked to be one JSON object of its kind: anything else could
   write into the request what callers may not.
3. What is sealed goes to the account that sealed it, since no other can open it, and would refuse the whole call
   (https://github.com/openai/codex/issues/3573). A thought that only names what would be stored stays behind as well:
   nothing is stored (https://github.com/vercel/ai/issues/7543).
4. What has no form is refused, naming the field, or left out and named. Nothing vanishes silently.

Text that has no signature of this format goes as a plain message, one for each block: the form with parts wants the id
of an item that there never was.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.openai_responses.media import media_part
from trunkline_server.providers.openai_responses.pieces import CALLS
from trunkline_server.providers.openai_responses.wire import is_filled
from trunkline_server.providers.refusal import missing
from trunkline_server.providers.toolids import fitting_id

__all__ = ["Items"]

_FORMAT: Final = "openai-responses"
_CALL_ID: Final = re.compile(r".{1,64}", re.DOTALL)
"""OpenAI's specification: FunctionCallOutputItemParam.call_id."""
_HALF_AN_HOUR_S: Final = 1800
_NAMING: Final = frozenset({"type", "id", "status", "summary"})
"""Members of a thought that name it, or tell people of it. The thought itself is in others."""

_OBJECT: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WORD: Final = msgspec.json.Decoder(str)

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""


class Items:
    """Writes turns, in order. `wire` is the result, `left_out` the paths of what could not travel."""

    __slots__ = (
        "_breakpoints", "_custom_calls", "_custom_tools", "_dialect", "_growing", "_provider", "_turns", "left_out",
        "wire",
    )  # fmt: skip

    def __init__(self, dialect: str, provider: str, *, breakpoints: bool, custom_tools: frozenset[str]) -> None:
        self._dialect = dialect
        self._provider = provider
        """Files and what is sealed go to their own provider only."""
        self._breakpoints = breakpoints
        self._custom_tools = custom_tools
        """Names of tools whose calls carry free text instead of arguments."""
        self._custom_calls: set[str] = set()
        """Ids of calls of these: their results have a form of their own."""
        self._growing: tuple[bytes, list[Any]] | None = None
        """Signature and content of the message that stands last, while parts of it may follow."""
        self.wire: list[Any] = []
        self.left_out: list[str] = []
        self._turns: dict[int, Callable[[int, v1.Message], None]] = {
            v1.ROLE_SYSTEM: self._system,
            v1.ROLE_DEVELOPER: self._developer,
            v1.ROLE_USER: self._user,
            v1.ROLE_ASSISTANT: self._assistant,
            v1.ROLE_TOOL: self._tool,
        }

    def write(self, messages: Sequence[v1.Message]) -> None:
        """Add these turns. Raises CapabilityMissing."""
        # A slice of a repeated field is a list, which is gone through at half the price: here and below.
        for index, message in enumerate(messages[:]):
            if message.name:
                self.left_out.append(f"messages[{index}].name")
            self._growing = None
            self._turns[message.role](index, message)

    # Turns

    def _system(self, place: int, message: v1.Message) -> None:
        self._spoken("system", place, message)

    def _developer(self, place: int, message: v1.Message) -> None:
        self._spoken("developer", place, message)

    def _user(self, place: int, message: v1.Message) -> None:
        self._spoken("user", place, message)

    def _spoken(self, role: str, place: int, message: v1.Message) -> None:
        """A turn of content parts, and between them items that answer the provider's own tools."""
        parts: list[dict[str, Any]] = []
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                parts.append(self._text(at, block))
            elif kind == "media":
                parts.append(self._media(at, block))
            else:
                parts = self._flushed(role, parts)
                self._opaque(at, block)
        self._flushed(role, parts)

    def _flushed(self, role: str, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if parts:
            self.wire.append({"type": "message", "role": role, "content": _content(parts)})
        return []

    def _assistant(self, place: int, message: v1.Message) -> None:
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                self._said(at, block)
            elif kind == "tool_call":
                self._call(at, block)
            elif kind == "reasoning":
                self._thought(at, block)
            elif kind == "provider_opaque":
                self._opaque(at, block)
            else:
                # Media are sound that another provider's model spoke: the transcript beside it is a text.
                self._leave_out(at, block)

    def _tool(self, place: int, message: v1.Message) -> None:
        for index, block in enumerate(message.blocks[:]):
            self._result((place, index), block)

    # Blocks

    def _text(self, at: _At, block: v1.Block) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "input_text", "text": block.text.text}
        self._plain(at, block, part)
        return part

    def _plain(self, at: _At, block: v1.Block, part: dict[str, Any] | None) -> None:
        """What of a text has no form but its words."""
        if block.text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        if block.text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        self._envelope(at, block, part)

    def _media(self, at: _At, block: v1.Block) -> dict[str, Any]:
        path = f"{_path(at)}.media"
        maker = block.origin.provider
        if block.media.file_id and maker and maker != self._provider:
            raise missing(f"{path}.file_id", "the file is at another provider; send its data")
        part = media_part(block.media, path, self.left_out)
        self._envelope(at, block, part)
        return part

    def _said(self, at: _At, block: v1.Block) -> None:
        """A text of the model's, in the message that it was a part of."""
        if not block.signature or block.origin.format != _FORMAT:
            self._plain(at, block, None)
            self._add({"type": "message", "role": "assistant", "content": block.text.text})
            return
        text = block.text
        if text.is_refusal:
            part: dict[str, Any] = {"type": "refusal", "refusal": text.text}
            if text.citations:
                self.left_out.append(f"{_path(at)}.text.citations")
        else:
            annotations = self._annotations(at, text)
            part = {"type": "output_text", "text": text.text, "annotations": annotations, "logprobs": []}
        self._hung(at, block)
        self._into_message(at, block.signature, part)

    def _annotations(self, at: _At, text: v1.Text) -> list[msgspec.Raw]:
        made = []
        for index, citation in enumerate(text.citations[:]):
            if citation.opaque:
                _members(citation.opaque, at, f"text.citations[{index}].opaque")
                made.append(embedded(citation.opaque))
            else:
                self.left_out.append(f"{_path(at)}.text.citations[{index}]")
        return made

    def _into_message(self, at: _At, signature: bytes, part: Any) -> None:
        """Add a part to the message that the signature is of: the last one, or the first part of another."""
        if self._growing is not None and self._growing[0] == signature:
            self._growing[1].append(part)
            return
        members: dict[str, Any] = _members(signature, at, "signature")
        if _word(members.get("type")) != "message":
            raise _foreign(at, "signature")
        content = [part]
        members.update(type="message", role="assistant", content=content)
        self._add(members)
        self._growing = (signature, content)

    def _thought(self, at: _At, block: v1.Block) -> None:
        data = block.reasoning.opaque
        if block.origin.format != _FORMAT or not data:
            self._leave_out(at, block)
            return
        members = _members(data, at, "reasoning.opaque")
        if _word(members.get("type")) != "reasoning":
            raise _foreign(at, "reasoning.opaque")
        if self._sealed_elsewhere(block, members) or not _holds_thought(members):
            self._leave_out(at, block)
            return
        self._envelope(at, block, None)
        self._add(embedded(data))

    def _opaque(self, at: _At, block: v1.Block) -> None:
        if block.origin.format != _FORMAT or block.WhichOneof("kind") != "provider_opaque":
            self._leave_out(at, block)
            return
        opaque = block.provider_opaque
        members = _members(opaque.data, at, "provider_opaque.data")
        kind = _word(members.get("type"))
        if not kind or kind != opaque.type:
            text = "it is not the type that the data has; send both back as they came"
            raise missing(f"{_path(at)}.provider_opaque.type", text)
        if kind == "item_reference":
            text = "nothing is stored at the provider that could be referred to; send the item"
            raise missing(f"{_path(at)}.provider_opaque.type", text)
        if self._sealed_elsewhere(block, members):
            self._leave_out(at, block)
            return
        self._hung(at, block)
        if block.signature:  # a part of a message, of a kind that has no block of its own
            self._into_message(at, block.signature, embedded(opaque.data))
        else:
            self._add(embedded(opaque.data))

    def _sealed_elsewhere(self, block: v1.Block, members: dict[str, Any]) -> bool:
        maker = block.origin.provider
        return bool(maker) and maker != self._provider and is_filled(members.get("encrypted_content"))

    def _call(self, at: _At, block: v1.Block) -> None:
        call = block.tool_call
        try:
            arguments = call.arguments_json.decode()
        except UnicodeDecodeError as error:
            raise missing(f"{_path(at)}.tool_call.arguments_json", "the provider takes UTF-8 only") from error
        kind, item = self._call_of(at, block)
        item.update(type=kind, call_id=fitting_id(call.id, _CALL_ID), name=call.name)
        if kind == "custom_tool_call":
            self._custom_calls.add(call.id)
            item["input"] = arguments
        else:
            # A call without arguments may have come back as an empty text, which some servers then fail to parse.
            item["arguments"] = arguments or "{}"
        self._add(item)

    def _call_of(self, at: _At, block: v1.Block) -> tuple[str, dict[str, Any]]:
        """The type of the item that a call was, and what the signature holds of it."""
        if not block.signature or block.origin.format != _FORMAT:
            self._envelope(at, block, None)
            return ("custom_tool_call" if block.tool_call.name in self._custom_tools else "function_call"), {}
        self._hung(at, block)
        members: dict[str, Any] = _members(block.signature, at, "signature")
        kind = _word(members.get("type"))
        if kind not in CALLS:
            raise _foreign(at, "signature")
        return kind, members

    def _result(self, at: _At, block: v1.Block) -> None:
        result = block.tool_result
        parts = []
        for index, inner in enumerate(result.blocks[:]):
            inner_at = (*at, index)
            is_text = inner.WhichOneof("kind") == "text"
            parts.append(self._text(inner_at, inner) if is_text else self._media(inner_at, inner))
        if result.is_error:
            # The wire has no place for it; the model has to see from the text that the tool failed.
            self.left_out.append(f"{_path(at)}.tool_result.is_error")
        if result.name:
            self.left_out.append(f"{_path(at)}.tool_result.name")
        self._envelope(at, block, parts[-1] if parts else None)
        is_custom = result.tool_call_id in self._custom_calls
        self._add(
            {
                "type": "custom_tool_call_output" if is_custom else "function_call_output",
                "call_id": fitting_id(result.tool_call_id, _CALL_ID),
                "output": _content(parts),
            }
        )

    def _add(self, item: Any) -> None:
        self._growing = None
        self.wire.append(item)

    # What hangs on blocks of any kind

    def _leave_out(self, at: _At, block: v1.Block) -> None:
        self.left_out.append(f"{_path(at)}.{block.WhichOneof('kind')}")
        self._envelope(at, block, None)

    def _envelope(self, at: _At, block: v1.Block, part: dict[str, Any] | None) -> None:
        """For blocks whose signature can't travel. A cache mark has a form on the caller's content parts only."""
        if block.signature:
            self.left_out.append(f"{_path(at)}.signature")
        self._hung(at, block, part)

    def _hung(self, at: _At, block: v1.Block, part: dict[str, Any] | None = None) -> None:
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            if part is None or not self._breakpoints:
                self.left_out.append(f"{_path(at)}.cache_mark")
            else:
                part["prompt_cache_breakpoint"] = _breakpoint(block.cache_mark)


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)


def _members(data: bytes, at: _At, field: str) -> dict[str, Any]:
    """The members of what should be one JSON object, each as it was written. Raises CapabilityMissing."""
    try:
        data.decode()  # the parser does not look at bytes within strings
        return _OBJECT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(at, field) from error


def _word(raw: msgspec.Raw | None) -> str:
    try:
        return _WORD.decode(raw) if raw is not None else ""
    except msgspec.DecodeError:
        return ""


def _holds_thought(members: dict[str, Any]) -> bool:
    return any(is_filled(raw) for name, raw in members.items() if name not in _NAMING)


def _foreign(at: _At, field: str) -> Exception:
    text = "this is not what a provider of this format sent; send it back as it came, or leave it out"
    return missing(f"{_path(at)}.{field}", text)


def _breakpoint(mark: v1.CacheMark) -> dict[str, str]:
    if not mark.HasField("ttl"):
        return {"mode": "explicit"}
    return {"mode": "explicit", "ttl": "30m" if mark.ttl.seconds <= _HALF_AN_HOUR_S else "12h"}


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One plain text as a string, which every server understands; anything else as parts."""
    if not parts:
        return ""
    first = parts[0]
    if len(parts) == 1 and first["type"] == "input_text" and "prompt_cache_breakpoint" not in first:
        return str(first["text"])
    return parts
