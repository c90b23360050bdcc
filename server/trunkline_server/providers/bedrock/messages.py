"""The conversation as Converse's `system` and `messages`.

1. Leading instructions stand in `system`. Later ones are turns of the role system, which Claude takes right behind a
   user's turn and before one of its own; elsewhere they are refused. Other roles take turns as user and assistant:
   neighbours of one role are one turn, so that results of parallel calls stand together.
2. Texts, calls and results always travel. Ids that Bedrock does not take are sent under names of ours, call and result
   alike; arguments that are no JSON object are wrapped in one, as Anthropic advises. Texts of nothing but white space
   are left out and named, since Bedrock refuses them.
3. Sources travel if Bedrock gave them; thoughts, signatures and what only Bedrock can read if a model of the same
   vendor made them there: byte for byte and in order. What else has no form is left out and named, or refused. Nothing
   vanishes silently.

Sources: the service model of bedrock-runtime in botocore 1.44; for arguments that are no JSON
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Provider
from trunkline_server.core.errors import CapabilityMissing
from trunkline_server.providers.bedrock.families import Family, family_of
from trunkline_server.providers.bedrock.media import DocumentNames, check_address, media_block
from trunkline_server.providers.bedrock.pieces import FORMAT, IN_PIECES
from trunkline_server.providers.jsontext import embedded, is_object
from trunkline_server.providers.refusal import missing
from trunkline_server.providers.toolids import fitting_id

__all__ = ["Marks", "Messages"]

_IDS: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAMES: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_EMPTY: Final = msgspec.Raw(b"{}")
_INVALID: Final = "INVALID_JSON"
_SHORT_S: Final = 300

_At = tuple[int, ...]
"""Where a block is: message, block, and block within a tool result. Paths are spelt only where one is told."""
_Blocks = list[dict[str, Any]]


class Marks:
    """Cache marks as cache points."""

    __slots__ = ("_ttl", "left_out", "taken", "used_ttl")

    def __init__(self, cache: v1.CacheConfig | None, *, taken: bool) -> None:
        self.taken = taken
        """Whether the model takes any."""
        self._ttl = cache.ttl.seconds if cache is not None and cache.HasField("ttl") else None
        """For marks that name no time of their own."""
        self.used_ttl = False

    def point(self, mark: v1.CacheMark) -> dict[str, Any]:
        """The content block behind what is to be cached. Times are rounded up to those on offer."""
        seconds = mark.ttl.seconds if mark.HasField("ttl") else self._ttl
        if seconds is None:
            return {"cachePoint": {"type": "default"}}
        self.used_ttl |= not mark.HasField("ttl")
        return {"cachePoint": {"type": "default", "ttl": "5m" if seconds <= _SHORT_S else "1h"}}


class Messages:
    """Writes turns, in order. `system` and `wire` are the result, `left_out` the paths of what could not travel."""

    __slots__ = (
        "_documented",
        "_documents",
        "_family",
        "_instructed_at",
        "_marks",
        "_provider",
        "_turns",
        "called",
        "first_call",
        "left_out",
        "system",
        "wire",
    )

    def __init__(self, marks: Marks, family: Family, provider: Provider) -> None:
        self._provider = provider
        self._marks = marks
        self._family = family
        self._instructed_at = 0
        self._documents = DocumentNames()
        self._documented: list[tuple[int, _Blocks]] = []
        """Messages with documents, and the turns that they are a part of."""
        self.system: _Blocks = []
        self.wire: list[dict[str, Any]] = []
        self.left_out: list[str] = []
        self.called: dict[str, None] = {}
        """Names of the tools that were called, in order."""
        self.first_call: _At = ()
        self._turns: dict[int, Callable[[int, v1.Message], None]] = {
            v1.ROLE_SYSTEM: self._instructions,
            v1.ROLE_DEVELOPER: self._instructions,
            v1.ROLE_USER: self._user,
            v1.ROLE_ASSISTANT: self._assistant,
            v1.ROLE_TOOL: self._tool,
        }

    def write(self, messages: Sequence[v1.Message]) -> None:
        """Add these turns. Raises CapabilityMissing."""
        # A slice of a repeated field is a list, which is gone through at half the price: here and below.
        for index, message in enumerate(messages[:]):
            self._turns[message.role](index, message)
            if message.name:
                self.left_out.append(f"messages[{index}].name")

    def check(self) -> None:
        """Called when all turns are there. Raises CapabilityMissing for what is refused then."""
        if not self.wire:
            raise missing("messages", "this provider wants a turn behind the instructions; add one of the user's")
        for place, content in self._documented:
            if not any("text" in block for block in content):
                raise missing(f"messages[{place}].blocks", "this provider wants a text beside documents; add one")

    @property
    def goes_on_unthought(self) -> bool:
        """Whether the model is to go on with a turn that called tools without a thought before."""
        if len(self.wire) < len(("its turn", "results")) or "toolResult" not in self.wire[-1]["content"][0]:
            return False
        return "reasoningContent" not in self.wire[-2]["content"][0]

    @property
    def path_of_call(self) -> str:
        """Path of the first call in the conversation."""
        return f"{_path(self.first_call)}.tool_call"

    def _instructions(self, place: int, message: v1.Message) -> None:
        content = self._place_of_instructions(place)
        for index, block in enumerate(message.blocks[:]):
            self._text((place, index), block, content)
        self._drop_empty()

    def _place_of_instructions(self, place: int) -> _Blocks:
        if not self.wire:
            return self.system
        if not self._family.later_instructions:
            raise missing(f"messages[{place}].role", "this model's instructions stand before all turns; put it first")
        if self.wire[-1]["role"] == "assistant":
            raise _misplaced(place)
        self._instructed_at = place
        return self._content("system")

    def _user(self, place: int, message: v1.Message) -> None:
        content = self._content("user")
        before = len(content)
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                self._text(at, block, content)
            elif kind == "media":
                check_address(block.media, f"{_path(at)}.media", self._provider)
                content.append(media_block(block.media, f"{_path(at)}.media", self._documents, self.left_out))
                self._envelope(at, block, content)
            else:
                self._opaque(at, block, content)
        if len(content) == before:
            # Left out, the model would go on with its own turn or answer another question.
            raise missing(f"messages[{place}].blocks", "this provider takes no turn that says nothing; add a text")
        if any("document" in block for block in content[before:]):
            self._documented.append((place, content))

    def _assistant(self, place: int, message: v1.Message) -> None:
        if not message.blocks:
            self.left_out.append(f"messages[{place}]")  # Bedrock refuses a turn in which nothing was said
            return
        if not self.wire:
            raise missing(f"messages[{place}].role", "this provider wants a turn of the user's first; add one")
        content = self._content("assistant")
        for index, block in enumerate(message.blocks[:]):
            at = (place, index)
            kind = block.WhichOneof("kind")
            if kind == "text":
                self._said(at, block, content)
            elif kind == "tool_call":
                self._call(at, block, content)
            elif kind == "reasoning":
                self._reasoning(at, block, content)
            elif kind == "provider_opaque":
                self._opaque(at, block, content)
            else:
                # Media that a model made: Converse takes them in the user's turns alone.
                self._leave_out(at, block)
        self._drop_empty()

    def _tool(self, place: int, message: v1.Message) -> None:
        content = self._content("user")
        for index, block in enumerate(message.blocks[:]):
            self._result((place, index), block, content)

    def _text(self, at: _At, block: v1.Block, content: _Blocks, *, markable: bool = True) -> None:
        text = block.text
        if text.citations:
            self.left_out.append(f"{_path(at)}.text.citations")
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        if not text.text or text.text.isspace():
            self.left_out.append(f"{_path(at)}.text")  # Bedrock refuses a request with such a text
        else:
            content.append({"text": text.text})
        self._envelope(at, block, content if markable else None)

    def _said(self, at: _At, block: v1.Block, content: _Blocks) -> None:
        """A text of the model's, with its sources where Bedrock gave them."""
        text = block.text
        if not text.citations or block.origin.format != FORMAT:
            self._text(at, block, content)
            return
        sources = [self._source(at, index, citation) for index, citation in enumerate(text.citations[:])]
        cited: dict[str, Any] = {"citations": sources}
        if text.text:  # Nova's sources stand in blocks of their own, behind the text
            cited["content"] = [{"text": text.text}]
        if text.is_refusal:
            self.left_out.append(f"{_path(at)}.text.is_refusal")
        content.append({"citationsContent": cited})
        self._envelope(at, block, content)

    def _source(self, at: _At, index: int, citation: v1.Citation) -> msgspec.Raw:
        return _object(citation.opaque, f"{_path(at)}.text.citations[{index}].opaque")

    def _reasoning(self, at: _At, block: v1.Block, content: _Blocks) -> None:
        thought = block.reasoning
        if not self._reads(block.origin):
            self._leave_out(at, block)
            return
        if thought.redacted:
            opaque = _utf8(thought.opaque, f"{_path(at)}.reasoning.opaque")
            content.append({"reasoningContent": {"redactedContent": opaque}})
            self._name_fields(at, thought, ("text", "summary", "id"))
            self._envelope(at, block, None)
            return
        wire = {"text": thought.text}
        if block.signature:
            wire["signature"] = _utf8(block.signature, f"{_path(at)}.signature")
        content.append({"reasoningContent": {"reasoningText": wire}})
        self._name_fields(at, thought, ("opaque", "summary", "id"))
        self._envelope(at, block, None, signed=True)

    def _name_fields(self, at: _At, thought: v1.Reasoning, names: tuple[str, ...]) -> None:
        self.left_out += [f"{_path(at)}.reasoning.{name}" for name in names if getattr(thought, name)]

    def _opaque(self, at: _At, block: v1.Block, content: _Blocks) -> None:
        opaque = block.provider_opaque
        if not self._reads(block.origin) or opaque.type.startswith(IN_PIECES):
            self._leave_out(at, block)
            return
        content.append({opaque.type: _object(opaque.data, f"{_path(at)}.provider_opaque.data")})
        self._envelope(at, block, content)

    def _reads(self, origin: v1.Origin) -> bool:
        """Whether the model can read what only its like can. What a caller wrote for Bedrock names no model."""
        if origin.format != FORMAT:
            return False
        return not origin.model or family_of(origin.model).vendor == self._family.vendor

    def _call(self, at: _At, block: v1.Block, content: _Blocks) -> None:
        call = block.tool_call
        name = call.name
        if name not in self.called:
            if not _NAMES.fullmatch(name):
                text = "this provider takes letters, digits, underscore and dash, at most 64"
                raise missing(f"{_path(at)}.tool_call.name", text)
            self.called[name] = None
            self.first_call = self.first_call or at
        use = {"toolUseId": fitting_id(call.id, _IDS), "name": name, "input": self._arguments(at, call.arguments_json)}
        content.append({"toolUse": use})
        self._envelope(at, block, content)

    def _arguments(self, at: _At, arguments: bytes) -> Any:
        # A call without arguments may have come back as an empty text.
        if not arguments:
            return _EMPTY
        if is_object(arguments):
            return embedded(arguments)
        path = f"{_path(at)}.tool_call.arguments_json"
        self.left_out.append(path)
        return {_INVALID: _utf8(arguments, path)}

    def _result(self, at: _At, block: v1.Block, content: _Blocks) -> None:
        result = block.tool_result
        inside: _Blocks = []
        for index, inner in enumerate(result.blocks[:]):
            inner_at = (*at, index)
            if inner.WhichOneof("kind") == "text":
                self._text(inner_at, inner, inside, markable=False)
            else:
                self._inner_media(inner_at, inner, inside)
        wire: dict[str, Any] = {"toolUseId": fitting_id(result.tool_call_id, _IDS), "content": inside}
        if result.is_error:
            wire["status"] = "error"
        if result.name:
            self.left_out.append(f"{_path(at)}.tool_result.name")
        content.append({"toolResult": wire})
        self._envelope(at, block, content)

    def _inner_media(self, at: _At, block: v1.Block, inside: _Blocks) -> None:
        check_address(block.media, f"{_path(at)}.media", self._provider)
        made = media_block(block.media, f"{_path(at)}.media", self._documents, self.left_out)
        if "audio" in made:
            raise missing(f"{_path(at)}.media", "this provider takes no sound as the result of a tool")
        inside.append(made)
        self._envelope(at, block, None)

    def _leave_out(self, at: _At, block: v1.Block) -> None:
        self.left_out.append(f"{_path(at)}.{block.WhichOneof('kind')}")
        self._envelope(at, block, None)

    def _envelope(self, at: _At, block: v1.Block, content: _Blocks | None, *, signed: bool = False) -> None:
        """What hangs on a block of any kind. A cache point stands behind it, where there is `content` to put it in."""
        if block.signature and not signed:
            self.left_out.append(f"{_path(at)}.signature")
        if len(block.logprobs):
            self.left_out.append(f"{_path(at)}.logprobs")
        if block.HasField("cache_mark"):
            if content and self._marks.taken:
                content.append(self._marks.point(block.cache_mark))
            else:
                self.left_out.append(f"{_path(at)}.cache_mark")

    def _content(self, role: str) -> _Blocks:
        """Where blocks of this role go: the turn before, if it is of the same role."""
        if self.wire and self.wire[-1]["role"] == role:
            blocks: _Blocks = self.wire[-1]["content"]
            return blocks
        if role == "user" and self.wire and self.wire[-1]["role"] == "system":
            raise _misplaced(self._instructed_at)
        blocks = []
        self.wire.append({"role": role, "content": blocks})
        return blocks

    def _drop_empty(self) -> None:
        """A turn of which nothing could travel would be refused; what it held is named already."""
        if self.wire and not self.wire[-1]["content"]:
            del self.wire[-1]


def _misplaced(place: int) -> CapabilityMissing:
    text = "later instructions stand right behind a user's turn and before one of the model's; move it, or put it first"
    return missing(f"messages[{place}].role", text)


def _object(data: bytes, path: str) -> msgspec.Raw:
    """A caller's bytes to embed. They could close the object around them and write members of their own into it."""
    if not is_object(data):
        raise missing(path, "not one JSON object in UTF-8; send it back as it came")
    return embedded(data)


def _utf8(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise missing(path, "not UTF-8, which all is that this provider gives; send it back as it came") from error


def _path(at: _At) -> str:
    message, block, *inner = at
    return f"messages[{message}].blocks[{block}]" + "".join(f".tool_result.blocks[{index}]" for index in inner)
