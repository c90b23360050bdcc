"""The conversation as OpenAI's messages.

1. Texts and results of tools always travel, and so do calls of tools where the provider has tools; arguments travel
   byte for byte.
2. What only the provider that made it can read (reasoning, signatures, opaque bytes) goes back where that has a form
   (Quirks.replay), and only to the format it came from.
3. What has no form is either refused, naming the field (a picture as the result of a tool), or left out and named: what
   another format made, and what the wire has no place for (log probabilities, the name of a result). Nothing vanishes
   silently.

Within an assistant's turn the wire has two places only, content and tool calls: text comes first there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.openai.media import media_part
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.thoughts import own_object, replayed
from trunkline_server.providers.refusal import missing
from trunkline_server.providers.toolids import fitting_id

__all__ = ["Messages"]

_PLAIN: Final = {"type", "text"}
"""Members of a text part that has no mark."""
_HALF_AN_HOUR_S: Final = 1800
_FIVE_MINUTES_S: Final = 300

BLANK: Final = " "
"""The least that is taken for a thought where there has to be one."""

_OWN_KINDS: Final = frozenset({"reasoning", "provider_opaque"})
"""Kinds of blocks that may go back to the format they came from."""
_AS_TEXT: Final = frozenset({"reasoning_content", "reasoning"})
"""Forms of thoughts that are a text beside the content."""
_AS_PARTS: Final = frozenset({"thinking", "summary"})
"""Forms of thoughts that are parts of the content."""

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""


class Messages:
    """Writes turns, in order. `wire` is the result, `left_out` the paths of what could not travel."""

    __slots__ = (
        "_blanks",
        "_custom_tools",
        "_mark",
        "_provider",
        "_quirks",
        "_replay",
        "_short_ids",
        "_turns",
        "left_out",
        "wire",
    )

    def __init__(
        self, quirks: Quirks, provider: str, *, mark: str, custom_tools: frozenset[str], reasons: bool = True
    ) -> None:
        self._quirks = quirks
        self._blanks = quirks.needs_thoughts if reasons else ""
        """Which turns have to hold a thought, as long as the model reasons (`reasons`)."""
        self._replay = quirks.replay
        self._short_ids = quirks.short_tool_ids
        self._provider = provider
        """Files go to their own provider only."""
        self._mark = mark
        """The member that marks a part for the cache. Empty: marks are left out."""
        self._custom_tools = custom_tools
        """Names of tools whose calls carry free text instead of arguments."""
        self.wire: list[dict[str, Any]] = []
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
            self._turns[message.role](index, message)
        if self._quirks.prefix and self.wire[-1]["role"] == "assistant" and "tool_calls" not in self.wire[-1]:
            self.wire[-1][self._quirks.prefix] = True

    def _system(self, place: int, message: v1.Message) -> None:
        self._instructions("system", place, message)

    def _developer(self, place: int, message: v1.Message) -> None:
        self._instructions("developer" if self._quirks.developer_role else "system", place, message)

    def _instructions(self, role: str, place: int, message: v1.Message) -> None:
        parts = [self._text((place, index), block) for index, block in enumerate(message.blocks[:])]
        self._add({"role": role, "content": _content(parts)}, place, message.name)

    def _user(self, place: int, message: v1.Message) -> None:
        parts = []
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                parts.append(self._text(at, block))
            elif kind == "media":
                parts.append(self._media(at, block))
            else:
                self._leave_out(at, block)
        self._add({"role": "user", "content": _content(parts)}, place, message.name)

    def _assistant(self, place: int, message: v1.Message) -> None:
        parts: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        own: list[Any] = []
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                parts.append(self._said(at, block))
            elif kind == "tool_call" and self._quirks.tools:
                calls.append(self._call(at, block))
            elif self._replay and block.origin.format == self._quirks.format and kind in _OWN_KINDS:
                self._send_back(at, block, kind, parts, own)
            else:
                # Media are sound that the model spoke: the transcript is a text beside it and does travel.
                self._leave_out(at, block)
        turn: dict[str, Any] = {"role": "assistant", "content": _content(parts) if parts or not calls else None}
        if own:
            turn[self._replay] = "".join(own) if self._replay in _AS_TEXT else own
        elif self._blanks == "turns" or (self._blanks == "calls" and calls):
            turn[self._replay] = BLANK
        if calls:
            turn["tool_calls"] = calls
        self._add(turn, place, message.name)

    def _send_back(self, at: _At, block: v1.Block, kind: str, parts: list[dict[str, Any]], own: list[Any]) -> None:
        """A thought of this format, or a part that only it understands, into the content or the member for thoughts."""
        path, within = _path(at), self._replay in _AS_PARTS
        if self._replay in _AS_TEXT:
            self._send_text_back(at, block, kind, own)
        elif kind == "reasoning" and (thought := replayed(block, self._replay, path)):
            (parts if within else own).append(thought)
            self._envelope(at, block, None, signed=not block.reasoning.redacted)
        elif kind == "provider_opaque" and within:
            parts.append(dict(own_object(block.provider_opaque.data, f"{path}.provider_opaque.data")))
            self._envelope(at, block, None)
        else:
            self._leave_out(at, block)

    def _send_text_back(self, at: _At, block: v1.Block, kind: str, own: list[Any]) -> None:
        if kind != "reasoning" or not block.reasoning.text:
            self._leave_out(at, block)
            return
        own.append(block.reasoning.text)
        for field, _ in block.reasoning.ListFields():
            if field.name != "text":
                self.left_out.append(f"{_path(at)}.reasoning.{field.name}")
        self._envelope(at, block, None)

    def _tool(self, place: int, message: v1.Message) -> None:
        if message.name:
            self.left_out.append(f"messages[{place}].name")
        for index, block in enumerate(message.blocks[:]):
            self._result((place, index), block)

    def _result(self, at: _At, block: v1.Block) -> None:
        result = block.tool_result
        parts = []
        for index, inner in enumerate(result.blocks[:]):
            inner_at = (*at, index)
            if inner.WhichOneof("kind") == "text":
                parts.append(self._text(inner_at, inner))
            elif self._quirks.media_results:
                parts.append(self._media(inner_at, inner))
            else:
                raise missing(f"{_path(inner_at)}.media", "this provider takes text only as the result of a tool")
        if result.is_error:
            # The wire has no place for it; the model has to see from the text that the tool failed.
            self.left_out.append(f"{_path(at)}.tool_result.is_error")
        if result.name:
            self.left_out.append(f"{_path(at)}.tool_result.name")
        self._envelope(at, block, parts[-1] if parts else None)
        call_id = self._call_id(result.tool_call_id)
        self.wire.append({"role": "tool", "tool_call_id": call_id, "content": _content(parts)})

    def _call_id(self, id_: str) -> str:
        if not self._short_ids:
            return id_
        return fitting_id(id_, _short(self._short_ids), short=self._short_ids)

    def _text(self, at: _At, block: v1.Block) -> dict[str, Any]:
        text = block.text
        part: dict[str, Any] = {"type": "text", "text": text.text}
        if text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        self._envelope(at, block, part)
        return part

    def _said(self, at: _At, block: v1.Block) -> dict[str, Any]:
        """A text of the model's: only it can decline."""
        text = block.text
        if not text.is_refusal or not self._quirks.refusal_parts:
            return self._text(at, block)
        if text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        self._envelope(at, block, None)
        return {"type": "refusal", "refusal": text.text}

    def _media(self, at: _At, block: v1.Block) -> dict[str, Any]:
        part = media_part(block.media, f"{_path(at)}.media", quirks=self._quirks, left_out=self.left_out)
        maker = block.origin.provider
        if block.media.file_id and maker and maker != self._provider:
            raise missing(f"{_path(at)}.media.file_id", "the file is at another provider; send its data")
        self._envelope(at, block, part)
        return part

    def _call(self, at: _At, block: v1.Block) -> dict[str, Any]:
        call = block.tool_call
        self._envelope(at, block, None)
        try:
            arguments = call.arguments_json.decode()
        except UnicodeDecodeError as error:
            raise missing(f"{_path(at)}.tool_call.arguments_json", "the provider takes UTF-8 only") from error
        call_id = self._call_id(call.id)
        if call.name in self._custom_tools:
            return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
        # A call without arguments may have come back as an empty text, which some servers then fail to parse.
        return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments or "{}"}}

    def _leave_out(self, at: _At, block: v1.Block) -> None:
        self.left_out.append(f"{_path(at)}.{block.WhichOneof('kind')}")
        self._envelope(at, block, None)

    def _envelope(self, at: _At, block: v1.Block, part: dict[str, Any] | None, *, signed: bool = False) -> None:
        """What hangs on a block of any kind: only its cache mark has a form, and that on content parts.

        `signed`: the signature went back already.
        """
        if block.signature and not signed:
            self.left_out.append(f"{_path(at)}.signature")
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            if part is None or not self._mark:
                self.left_out.append(f"{_path(at)}.cache_mark")
            else:
                part[self._mark] = _MARKS[self._mark](block.cache_mark, self._quirks)
                if self._mark == "cache_control" and block.cache_mark.HasField("ttl") and not self._quirks.cache_times:
                    self.left_out.append(f"{_path(at)}.cache_mark.ttl")

    def _add(self, turn: dict[str, Any], place: int, name: str) -> None:
        if name and self._quirks.names:
            turn["name"] = name
        elif name:
            self.left_out.append(f"messages[{place}].name")
        self.wire.append(turn)


@cache
def _short(length: int) -> re.Pattern[str]:
    return re.compile(f"[A-Za-z0-9]{{{length}}}")


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)


def _breakpoint(mark: v1.CacheMark, _quirks: Quirks) -> dict[str, str]:
    if not mark.HasField("ttl"):
        return {"mode": "explicit"}
    return {"mode": "explicit", "ttl": "30m" if mark.ttl.seconds <= _HALF_AN_HOUR_S else "12h"}


def _cache_control(mark: v1.CacheMark, quirks: Quirks) -> dict[str, str]:
    """Claude's form, which others took over. Five minutes is what every one of them keeps if not told."""
    is_long = quirks.cache_times and mark.ttl.seconds > _FIVE_MINUTES_S
    return {"type": "ephemeral", **({"ttl": "1h"} if is_long else {})}


_MARKS: Final[Mapping[str, Callable[[v1.CacheMark, Quirks], dict[str, str]]]] = {
    "prompt_cache_breakpoint": _breakpoint,
    "cache_control": _cache_control,
}


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One plain text as a string, which every server understands; anything else as parts."""
    if not parts:
        return ""
    first = parts[0]
    if len(parts) == 1 and first["type"] == "text" and first.keys() == _PLAIN:
        return str(first["text"])
    return parts
