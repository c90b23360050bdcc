"""Thoughts with more to them than text: what a provider wants back byte for byte.

1. A thought that came in pieces is the same block as one that came whole.
2. Its text, or its summary, and its signature have places of their own in the contract. All other members of its object
   are kept as JSON in Reasoning.opaque; so is the whole object of a thought that nobody but its provider reads.
3. What goes back has the same members with the same values. A caller's bytes are embedded only if they are one JSON
   object.

Sources: OpenRouter's reasoning_details (`openrouter` 1.3.84), Mistral's ThinkChunk (`mistralai` 3.7.0), LiteLLM's
thinking_blocks, the reasoning content of Databricks' foundation model API.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.providers.jsontext import is_object, members_of
from trunkline_server.providers.openai.quirks import Replay
from trunkline_server.providers.refusal import missing

__all__ = ["PARTS", "Thought", "own_object", "part_type", "replayed", "thought_of", "utf8"]

_TEXTS: Final[Mapping[str, tuple[str, bool]]] = {
    "reasoning.text": ("text", False),
    "reasoning.summary": ("summary", True),
    "thinking": ("thinking", False),
    "reasoning": ("summary", True),
}
"""By type, the member that holds the text, and whether it is a summary."""

PARTS: Final = frozenset({"thinking", "reasoning"})
"""Types of content parts that are thoughts: Mistral's and Databricks'."""


MIN_RESTART: Final = 4
"""Fewest characters that a piece has to repeat to be taken for one that begins from the start."""


class Thought:
    """One object, or a piece of one."""

    __slots__ = ("_so_far", "is_summary", "is_whole", "rest", "signature", "text", "type")

    def __init__(self, type_: str, item: dict[str, Any]) -> None:
        self.type = type_
        known = _TEXTS.get(type_)
        self.is_whole = known is None
        """True if nobody but the provider reads it: then `rest` is all there is."""
        self.is_summary = known is not None and known[1]
        self.text, self.signature = _text(item, known[0]) if known else ("", "")
        self._so_far = self.text
        """All of the text, as long as every piece began with it. Empty: pieces hold what is new."""
        taken = {known[0], "signature"} if known else ()
        self.rest = {name: value for name, value in item.items() if name not in taken}

    def goes_on(self, piece: "Thought") -> bool:
        """Whether that is a further piece of this one. A signature ends a thought."""
        return (
            not self.is_whole
            and not self.signature
            and piece.type == self.type
            and piece.rest.get("index") == self.rest.get("index")
        )

    def add(self, piece: "Thought") -> None:
        """Take what a further piece tells, its text aside."""
        self.signature = piece.signature
        self.rest.update((name, value) for name, value in piece.rest.items() if value is not None)

    def new_text(self, piece: "Thought") -> str:
        """What a further piece adds, where pieces may begin with all that came before (Quirks.thoughts_restart).

        The first piece that does not begin so settles that none does. A few letters that come again may be a word that
        begins alike ("a", "and"): they are written again, since a letter too many costs less than one too few.
        """
        text, before = piece.text, self._so_far
        if not text or not before:
            return text
        if not text.startswith(before):
            self._so_far = ""
            return text
        self._so_far = text
        return text[len(before) :] if len(before) >= MIN_RESTART else text

    @property
    def opaque(self) -> bytes:
        """The members that have no place of their own; empty where there are none but the type."""
        return msgspec.json.encode(self.rest) if self.is_whole or len(self.rest) > 1 else b""

    @property
    def header(self) -> v1.Block:
        """The block without what comes in pieces."""
        return v1.Block(reasoning=v1.Reasoning(redacted=self.is_whole))


def thought_of(item: Any) -> Thought | None:
    """The thought that an object of a list is; None for what is no object with a type."""
    type_ = part_type(item)
    return Thought(type_, item) if type_ else None


def part_type(item: Any) -> str:
    """The type of an object in a list; empty for what is none."""
    type_ = item.get("type") if isinstance(item, dict) else None
    return type_ if isinstance(type_, str) else ""


def _text(item: dict[str, Any], member: str) -> tuple[str, str]:
    """Text and signature, which stand in the object itself or in a list of parts within."""
    value, signature = item.get(member), item.get("signature")
    texts = [value] if isinstance(value, str) else []
    for part in value if isinstance(value, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
            signature = part.get("signature") or signature
    return "".join(texts), signature if isinstance(signature, str) else ""


def replayed(block: v1.Block, replay: Replay, path: str) -> dict[str, Any] | None:
    """The object that goes back for a thought of the same format; None where the block holds nothing of one.

    `path` is the block's. Raises CapabilityMissing naming bytes that can't be embedded.
    """
    reasoning = block.reasoning
    members: dict[str, Any] = dict(own_object(reasoning.opaque, f"{path}.reasoning.opaque")) if reasoning.opaque else {}
    if reasoning.redacted:
        return members or None
    text, signature = reasoning.text or reasoning.summary, utf8(block.signature, f"{path}.signature")
    if not members and not text and not signature:
        return None
    made: dict[str, Any]
    if replay == "reasoning_details":
        is_summary = not reasoning.text and bool(reasoning.summary)
        made = (
            {"type": "reasoning.summary", "summary": text} if is_summary else {"type": "reasoning.text", "text": text}
        )
    elif replay == "summary":
        part = {"type": "summary_text", "text": text}
        return {"type": "reasoning", **members, "summary": [part | ({"signature": signature} if signature else {})]}
    else:
        made = {
            "type": "thinking",
            "thinking": text if replay == "thinking_blocks" else [{"type": "text", "text": text}],
        }
    return {**made, **members} | ({"signature": signature} if signature else {})


def own_object(data: bytes, path: str) -> dict[str, msgspec.Raw]:
    """The members of JSON that a caller sends back. Raises CapabilityMissing where it is not one object."""
    if is_object(data):
        return members_of(data)
    raise missing(path, "the provider takes one JSON object here, as its answer had it")


def utf8(data: bytes, path: str) -> str:
    """Text that a caller sends back as bytes. Raises CapabilityMissing where it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise missing(path, "the provider takes UTF-8 only, as its answer had it") from error
