"""The conversation as Anthropic's system prompt and messages.

1. Texts, calls of tools and their results always travel; blocks keep their order, arguments their bytes. Arguments that
   are no JSON object are wrapped in one, as Anthropic advises; texts of nothing but white space are left out and named,
   since the provider refuses them.
2. What only the format's own servers can read (thoughts, signatures, opaque blocks, citations) travels where it was
   made in this format, byte for byte; elsewhere it is left out and named. Nothing vanishes silently.
3. Turns of one role that follow one another are one turn on the wire, so results of parallel calls stand together.

Leading instructions are the system prompt. Later ones have a role of their own, right behind a user's turn and before
one of the model's: elsewhere the provider refuses them, and so does this.

Source: the request types of the `anthropic` package, 2.12; for later instructions
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages; for arguments that are no JSON
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.capability import Capability
from trunkline_server.core.errors import CapabilityMissing
from trunkline_server.providers.anthropic.cache import CacheMarks
from trunkline_server.providers.anthropic.container import CONTAINER, container_id
from trunkline_server.providers.anthropic.flavour import FORMAT, Flavour
from trunkline_server.providers.anthropic.media import media_part
from trunkline_server.providers.jsontext import embedded, is_object, members_of
from trunkline_server.providers.refusal import missing
from trunkline_server.providers.toolids import fitting_id

__all__ = ["CALL_MEMBERS", "Messages", "plain"]

CALL_MEMBERS: Final = ("caller", "toolset_name")
"""Members of a call that the provider wants back, beside name and arguments. They travel as the block's signature."""

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EMPTY: Final = msgspec.Raw(b"{}")
_INVALID: Final = "INVALID_JSON"

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""
_Part = dict[str, Any] | msgspec.Raw


class Messages:
    """Writes turns, in order: instructions to `system`, others to `wire`. `left_out`: paths of what can't travel."""

    __slots__ = (
        "_capability",
        "_contained_at",
        "_flavour",
        "_instructed_at",
        "_kinds",
        "_marks",
        "_provider",
        "_toolsets",
        "_turns",
        "container",
        "left_out",
        "system",
        "wire",
    )

    def __init__(self, flavour: Flavour, provider: str, capability: Capability | None, marks: CacheMarks) -> None:
        self._flavour = flavour
        self._provider = provider
        """Files go to their own provider only."""
        self._capability = capability
        self._marks = marks
        self._toolsets: dict[str, msgspec.Raw] = {}
        """By the id of a call of a tool within a set, the name of the set: the result has to say it as well."""
        self._instructed_at = 0
        """Where the last later instructions are."""
        self.container = ""
        """Id of the container in which a turn goes on."""
        self._contained_at: _At = ()
        self.system: list[dict[str, Any]] = []
        self.wire: list[dict[str, Any]] = []
        self.left_out: list[str] = []
        self._turns: dict[int, Callable[[int, v1.Message], None]] = {
            v1.ROLE_SYSTEM: self._instruct,
            v1.ROLE_DEVELOPER: self._instruct,
            v1.ROLE_USER: self._asks,
            v1.ROLE_ASSISTANT: self._answers,
            v1.ROLE_TOOL: self._asks,
        }
        self._kinds: dict[str, Callable[[_At, v1.Block], _Part | None]] = {
            "text": self._text,
            "reasoning": self._thought,
            "tool_call": self._call,
            "tool_result": self._result,
            "provider_opaque": self._opaque,
            "citation": self._leave_out,
        }

    def write(self, messages: Sequence[v1.Message]) -> None:
        """Add these turns. Raises CapabilityMissing."""
        # A slice of a repeated field is a list, which is gone through at half the price: here and below.
        for index, message in enumerate(messages[:]):
            if message.name:
                self.left_out.append(f"messages[{index}].name")
            self._turns[message.role](index, message)

    @property
    def last_part(self) -> Any:
        """The last block of the last turn; None where there is none."""
        return self.wire[-1]["content"][-1] if self.wire else None

    @property
    def goes_on_unthought(self) -> bool:
        """Whether the model is to go on with a turn that called tools without a thought before."""
        if len(self.wire) < len(("its turn", "results")) or self.wire[-1]["role"] != "user":
            return False
        called, answered = self.wire[-2]["content"][0], self.wire[-1]["content"][0]
        if not isinstance(answered, dict) or answered["type"] != "tool_result":
            return False
        return not isinstance(called, dict) or called["type"] not in ("thinking", "redacted_thinking")

    def finish(self) -> None:
        """Write turns of one plain text as a string."""
        for turn in self.wire:
            if len(turn["content"]) == 1:
                turn["content"] = plain(turn["content"])

    def _asks(self, place: int, message: v1.Message) -> None:
        if message.role == v1.ROLE_USER:
            self._forget_container()  # another turn begins
        parts = self._parts(place, message, self._media)
        if not parts:
            # Left out, the model would go on with its own turn or answer another question.
            raise missing(f"messages[{place}].blocks", "this provider takes no turn that says nothing; add a text")
        self._add("user", parts)

    def _answers(self, place: int, message: v1.Message) -> None:
        self._add("assistant", self._parts(place, message, self._leave_out))

    def _instruct(self, place: int, message: v1.Message) -> None:
        parts = self._parts(place, message, self._leave_out)
        if not self.wire:
            self.system += [part for part in parts if isinstance(part, dict)]
            return
        if not self._flavour.later_instructions:
            raise missing(f"messages[{place}].role", "instructions stand before all turns here; put it first")
        if self.wire[-1]["role"] == "assistant":
            raise _misplaced(place)
        if parts:
            self._instructed_at = place
        self._add("system", parts)

    def _add(self, role: str, parts: list[_Part]) -> None:
        if not parts:
            return  # a turn of the model's that says nothing
        wire = self.wire
        last = wire[-1]["role"] if wire else ""
        if last == role:
            wire[-1]["content"] += parts
        elif last == "system" and role == "user":
            raise _misplaced(self._instructed_at)
        else:
            wire.append({"role": role, "content": parts})

    def _parts(self, place: int, message: v1.Message, media: Callable[[_At, v1.Block], _Part | None]) -> list[_Part]:
        parts: list[_Part] = []
        kinds = self._kinds
        for index, block in enumerate(message.blocks[:]):
            kind = block.WhichOneof("kind") or ""
            part = kinds.get(kind, media)((place, index), block)
            if part is not None:
                parts.append(part)
        return parts

    def _text(self, at: _At, block: v1.Block) -> _Part | None:
        text = block.text
        if not text.text or text.text.isspace():
            return self._leave_out(at, block)  # the provider refuses a request with such a text
        part: dict[str, Any] = {"type": "text", "text": text.text}
        if len(text.citations):
            self._cite(at, block, part)
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        self._envelope(at, block, part)
        return part

    def _cite(self, at: _At, block: v1.Block, part: dict[str, Any]) -> None:
        home = block.origin.format == FORMAT
        kept = []
        for index, citation in enumerate(block.text.citations):
            if home and citation.opaque:
                kept.append(_object(citation.opaque, at, f"text.citations[{index}].opaque"))
            else:
                self.left_out.append(f"{_path(at)}.text.citations[{index}]")
        if kept:
            part["citations"] = kept

    def _thought(self, at: _At, block: v1.Block) -> _Part | None:
        thought = block.reasoning
        home = block.origin.format == FORMAT
        if not home or not (thought.opaque if thought.redacted else block.signature):
            return self._leave_out(at, block)
        path = f"{_path(at)}.reasoning"
        part: dict[str, Any]
        if thought.redacted:
            part = {"type": "redacted_thinking", "data": _utf8(thought.opaque, f"{path}.opaque")}
            unsent = ("text", "summary", "id")
        else:
            signature = _utf8(block.signature, f"{_path(at)}.signature")
            part = {"type": "thinking", "thinking": thought.text, "signature": signature}
            unsent = ("opaque", "summary", "id")
        self.left_out += [f"{path}.{name}" for name in unsent if getattr(thought, name)]
        self._envelope(at, block, None, signed=not thought.redacted)
        return part

    def _call(self, at: _At, block: v1.Block) -> _Part | None:
        call = block.tool_call
        if not _TOOL_NAME.fullmatch(call.name):
            text = "this provider takes names of 1 to 128 letters, digits, underscores and dashes"
            raise missing(f"{_path(at)}.tool_call.name", text)
        arguments = self._arguments(at, call.arguments_json)
        part: dict[str, Any] = {"type": "tool_use", "id": _call_id(call.id), "name": call.name, "input": arguments}
        home = block.signature and block.origin.format == FORMAT
        if home:
            self._add_call_members(at, block, part)
        self._envelope(at, block, part, signed=bool(home))
        return part

    def _arguments(self, at: _At, arguments: bytes) -> msgspec.Raw | dict[str, str]:
        if not arguments:
            return _EMPTY  # as a call without arguments may have come back
        if is_object(arguments):
            return embedded(arguments)
        path = f"{_path(at)}.tool_call.arguments_json"
        self.left_out.append(path)
        return {_INVALID: _utf8(arguments, path)}

    def _add_call_members(self, at: _At, block: v1.Block, part: dict[str, Any]) -> None:
        members = members_of(bytes(_object(block.signature, at, "signature")))
        if not members.keys() <= set(CALL_MEMBERS):
            text = "not what came with this call; send it as it came, or leave it out"
            raise missing(f"{_path(at)}.signature", text)
        part.update(members)
        if toolset := members.get("toolset_name"):
            self._toolsets[block.tool_call.id] = toolset

    def _result(self, at: _At, block: v1.Block) -> _Part | None:
        result = block.tool_result
        part: dict[str, Any] = {"type": "tool_result", "tool_use_id": _call_id(result.tool_call_id)}
        parts: list[_Part] = []
        inners = result.blocks[:]
        for index, inner in enumerate(inners):
            made = (self._text if inner.WhichOneof("kind") == "text" else self._media)((*at, index), inner)
            if made is not None:
                parts.append(made)
        if parts:
            # A mark is written into its block at the end, so a text that has one stays a block.
            marked = len(parts) > 1 or any(inner.HasField("cache_mark") for inner in inners)
            part["content"] = parts if marked else plain(parts)
        elif result.is_error:
            raise missing(
                f"{_path(at)}.tool_result.blocks", "this provider wants to be told how a tool failed; add a text"
            )
        if result.is_error:
            part["is_error"] = True
        if toolset := self._toolsets.get(result.tool_call_id):
            part["toolset_name"] = toolset
        if result.name:
            self.left_out.append(f"{_path(at)}.tool_result.name")
        self._envelope(at, block, part)
        return part

    def _media(self, at: _At, block: v1.Block) -> _Part | None:
        path = f"{_path(at)}.media"
        part = media_part(block.media, path, flavour=self._flavour, capability=self._capability, left_out=self.left_out)
        maker = block.origin.provider
        if block.media.file_id and maker and maker != self._provider:
            raise missing(f"{path}.file_id", "the file is at another provider; send its data")
        self._envelope(at, block, part)
        return part

    def _opaque(self, at: _At, block: v1.Block) -> _Part | None:
        if block.origin.format != FORMAT:
            return self._leave_out(at, block)
        opaque = block.provider_opaque
        if opaque.type == CONTAINER:
            return self._contain(at, block)
        self._envelope(at, block, None)
        return _object(opaque.data, at, "provider_opaque.data")

    def _contain(self, at: _At, block: v1.Block) -> _Part | None:
        if block.origin.provider not in {"", self._provider}:
            return self._leave_out(at, block)  # it is in another account
        self._forget_container()
        self.container, self._contained_at = container_id(block.provider_opaque.data), at
        if not self.container:
            raise missing(
                f"{_path(at)}.provider_opaque.data", "names no container; send it as it came, or leave it out"
            )
        self._envelope(at, block, None)
        return None

    def _forget_container(self) -> None:
        if self.container:
            self.left_out.append(f"{_path(self._contained_at)}.provider_opaque")
        self.container = ""

    def _leave_out(self, at: _At, block: v1.Block) -> _Part | None:
        self.left_out.append(f"{_path(at)}.{block.WhichOneof('kind')}")
        self._envelope(at, block, None)
        return None

    def _envelope(self, at: _At, block: v1.Block, part: dict[str, Any] | None, *, signed: bool = False) -> None:
        """What hangs on a block of any kind. `part` is what can carry a cache mark; `signed`: the signature is sent."""
        if block.signature and not signed:
            self.left_out.append(f"{_path(at)}.signature")
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            self._marks.add(part, block.cache_mark, f"{_path(at)}.cache_mark")


def plain(parts: list[Any]) -> str | list[Any]:
    """One plain text as a string; anything else as it is."""
    first = parts[0]
    if len(parts) == 1 and isinstance(first, dict) and len(first) == 2 and "text" in first:  # noqa: PLR2004 - and a type
        return str(first["text"])
    return parts


def _misplaced(place: int) -> CapabilityMissing:
    text = "later instructions stand between a user's turn and the model's here; put it there, or before all turns"
    return missing(f"messages[{place}].role", text)


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)


def _call_id(id_: str) -> str:
    return fitting_id(id_, _CALL_ID)


def _object(data: bytes, at: _At, field: str) -> msgspec.Raw:
    """A JSON object, to be embedded as it is: anything else could write members of its own into the request."""
    if not is_object(data):
        raise missing(f"{_path(at)}.{field}", "this provider takes one JSON object in UTF-8 here")
    return embedded(data)


def _utf8(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise missing(path, "not what this provider made, which is UTF-8; send it as it came") from error
