"""The conversation as Gemini's contents and system instruction.

1. Texts, calls and results of tools always travel. Signatures, thoughts and what only the provider reads travel where
   this door to Gemini made them, byte for byte and each where it was.
2. The instructions that lead the conversation become the system instruction; later ones are refused.
3. Turns of one kind that follow one another become one: results of calls have to stand together, and a call may only
   follow a turn of somebody else. Results stand in the order of their calls.
4. What has no form is refused or left out and named. Nothing vanishes silently.

Models that think in levels refuse a turn whose first call has no signature, as calls of other models have none. For
these Google names a word that stands in for one: https://ai.google.dev/gemini-api/docs/thought-signatures, "FAQs".
"""

from collections.abc import Sequence
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.gemini.media import MediaParts
from trunkline_server.providers.gemini.sources import GROUNDING
from trunkline_server.providers.gemini.tools import FUNCTION_NAME
from trunkline_server.providers.gemini.ways import Ways, takes_levels
from trunkline_server.providers.jsontext import embedded, is_object
from trunkline_server.providers.refusal import missing

__all__ = ["UNSIGNED", "Contents"]

UNSIGNED: Final = "skip_thought_signature_validator"
"""Stands in for the signature of a call that another model made. Vertex AI knows this word only."""

_INSTRUCTIONS: Final = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""


class Contents:
    """Writes turns, in order. `contents` and `system` are the result, `left_out` the paths of what could not travel."""

    __slots__ = (
        "_calls",
        "_first_call",
        "_format",
        "_ids",
        "_kind",
        "_media",
        "_newest",
        "_parts",
        "_places",
        "contents",
        "left_out",
        "system",
    )

    def __init__(self, deployment: Deployment, ways: Ways) -> None:
        self.contents: list[dict[str, Any]] = []
        self.system: list[Any] = []
        self.left_out: list[str] = []
        self._format = ways.name
        self._media = MediaParts(deployment, ways, self.left_out)
        self._newest = takes_levels(deployment.capability)
        """Whether signatures are asked for, and results of tools may hold media."""
        self._ids = self._newest and ways.call_ids
        """Whether results are matched to calls by ids. Otherwise their order does it."""
        self._kind: int = v1.ROLE_SYSTEM
        self._parts: list[Any] = self.system
        """Of the turn that is being written."""
        self._first_call: dict[str, Any] | None = None
        """In it."""
        self._places: list[int] = []
        """Of each result in it, the place of its call among all calls."""
        self._calls: dict[str, tuple[str, int]] = {}
        """Calls by id: the function, and the place among all calls."""

    def write(self, messages: Sequence[v1.Message]) -> None:
        """Add these turns. Raises CapabilityMissing."""
        # A slice of a repeated field is a list, which is gone through at half the price: here and below.
        for index, message in enumerate(messages[:]):
            if message.name:
                self.left_out.append(f"messages[{index}].name")
            self._turn(index, message.role)
            if message.role == v1.ROLE_ASSISTANT:
                self._assistant(index, message)
            elif message.role == v1.ROLE_TOOL:
                self._results(index, message)
            else:
                self._user(index, message)
        self._close()
        if not self.contents:
            raise missing("messages", "this provider needs a turn beside the instructions; add one of the user")

    def _turn(self, index: int, role: int) -> None:
        """A turn begins, or goes on where another of its kind ended."""
        kind = v1.ROLE_SYSTEM if role in _INSTRUCTIONS else role
        if kind == self._kind:
            return
        if kind == v1.ROLE_SYSTEM:
            text = "this provider takes instructions at the beginning only; move it there, or make it the user's"
            raise missing(f"messages[{index}].role", text)
        self._close()
        self._kind, self._parts = kind, []

    def _close(self) -> None:
        """The turn is whole. One of which nothing could travel has nothing to say."""
        if self._kind == v1.ROLE_SYSTEM or not self._parts:
            return
        if self._kind == v1.ROLE_TOOL:
            if len(self._places) > 1:
                order = sorted(range(len(self._places)), key=self._places.__getitem__)
                self._parts = [self._parts[index] for index in order]
            self._places.clear()
        elif self._first_call is not None:
            if self._newest:
                self._first_call.setdefault("thoughtSignature", UNSIGNED)
            self._first_call = None
        self.contents.append({"role": "model" if self._kind == v1.ROLE_ASSISTANT else "user", "parts": self._parts})

    def _user(self, place: int, message: v1.Message) -> None:
        """A turn of the user, or instructions."""
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                self._text(at, block)
            elif kind == "media":
                part = self._media.part(block, f"{_path(at)}.media")
                self._sign(at, block, part)
                self._parts.append(part)
            else:
                self._opaque(at, block)

    def _assistant(self, place: int, message: v1.Message) -> None:
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            match block.WhichOneof("kind"):
                case "text":
                    self._text(at, block)
                case "tool_call":
                    self._call(at, block)
                case "reasoning":
                    self._thought(at, block)
                case "media":
                    part = self._media.part(block, f"{_path(at)}.media")
                    self._sign(at, block, part)
                    self._parts.append(part)
                case "provider_opaque":
                    self._opaque(at, block)
                case kind:
                    self._leave_out(at, block, str(kind))

    def _results(self, place: int, message: v1.Message) -> None:
        for index, block in enumerate(message.blocks[:]):
            self._parts.append(self._result((place, index), block))

    def _text(self, at: _At, block: v1.Block) -> None:
        """A part of words. Without any it is none, and refused as "an empty text parameter", unless it is signed."""
        part: dict[str, Any] = {"text": self._words(at, block)}
        self._sign(at, block, part)
        if part["text"] or "thoughtSignature" in part:
            self._parts.append(part)

    def _words(self, at: _At, block: v1.Block) -> str:
        text = block.text
        if text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        return text.text

    def _thought(self, at: _At, block: v1.Block) -> None:
        thought = block.reasoning
        text = thought.summary or thought.text
        if block.origin.format != self._format or not (text or block.signature):
            self._leave_out(at, block, "reasoning")
            return
        told = "summary" if thought.summary else "text"
        self.left_out += [
            f"{_path(at)}.reasoning.{field.name}" for field, _ in thought.ListFields() if field.name != told
        ]
        part: dict[str, Any] = {"text": text, "thought": True}
        self._sign(at, block, part)
        self._parts.append(part)

    def _call(self, at: _At, block: v1.Block) -> None:
        call = block.tool_call
        arguments = call.arguments_json or b"{}"
        if not is_object(arguments):
            raise missing(f"{_path(at)}.tool_call.arguments_json", "this provider takes a JSON object only")
        if not FUNCTION_NAME.fullmatch(call.name):
            raise missing(f"{_path(at)}.tool_call.name", "this provider takes letters, digits and _ . : - only")
        self._calls[call.id] = (call.name, len(self._calls))
        wire: dict[str, Any] = {"id": call.id} if self._ids else {}
        wire["name"] = call.name
        wire["args"] = embedded(arguments)
        part: dict[str, Any] = {"functionCall": wire}
        self._sign(at, block, part)
        self._parts.append(part)
        if self._first_call is None:
            self._first_call = part

    def _result(self, at: _At, block: v1.Block) -> dict[str, Any]:
        result = block.tool_result
        name, place = self._calls.get(result.tool_call_id, (result.name, len(self._calls)))
        self._places.append(place)
        if result.name and result.tool_call_id in self._calls:
            self.left_out.append(f"{_path(at)}.tool_result.name")  # that of the call stands there
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        for index, inner in enumerate(result.blocks[:]):
            inner_at = (*at, index)
            self._hang(inner_at, inner)
            if inner.WhichOneof("kind") == "text":
                texts.append(self._words(inner_at, inner))
            else:
                media.append(self._media.of_result(inner, f"{_path(inner_at)}.media"))
        wire: dict[str, Any] = {"id": result.tool_call_id} if self._ids else {}
        wire["name"] = name
        # The keys are Google's own: what stands below others is taken for output as a whole.
        wire["response"] = {"error" if result.is_error else "output": texts[0] if len(texts) == 1 else texts or ""}
        if media:
            wire["parts"] = media
        self._hang(at, block)
        return {"functionResponse": wire}

    def _opaque(self, at: _At, block: v1.Block) -> None:
        """A part that only this provider reads, as the bytes that came."""
        opaque = block.provider_opaque
        if block.origin.format != self._format or opaque.type == GROUNDING:
            self._leave_out(at, block, "provider_opaque")
            return
        if not is_object(opaque.data):
            raise missing(f"{_path(at)}.provider_opaque.data", "this provider takes a JSON object; send it as it came")
        self._hang(at, block)
        self._parts.append(embedded(opaque.data))

    def _leave_out(self, at: _At, block: v1.Block, kind: str) -> None:
        self.left_out.append(f"{_path(at)}.{kind}")
        self._hang(at, block)

    def _sign(self, at: _At, block: v1.Block, part: dict[str, Any]) -> None:
        """Put a signature where it was made, and name what else hangs on the block."""
        signature = block.signature
        if signature and block.origin.format == self._format:
            try:
                part["thoughtSignature"] = signature.decode()
            except UnicodeDecodeError as error:
                raise missing(
                    f"{_path(at)}.signature", "not a signature of this provider; send it as it came"
                ) from error
            signature = b""
        self._hang(at, block, signature)

    def _hang(self, at: _At, block: v1.Block, signature: bytes | None = None) -> None:
        """Name what hangs on a block of any kind and has no form."""
        if block.signature if signature is None else signature:
            self.left_out.append(f"{_path(at)}.signature")
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            self.left_out.append(f"{_path(at)}.cache_mark")


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)
