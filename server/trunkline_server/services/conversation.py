"""The rules of a conversation: which blocks a role may hold, and what each block must have.

A turn of the model is replayed as it came, so nothing is asked of texts, arguments and opaque bytes that models and
providers wrote. What else they wrote has wide bounds (bounds.py).
"""

from collections.abc import Sequence
from typing import Final

from trunkline import v1
from trunkline_server.services.bounds import (
    MAX_BLOCKS,
    MAX_MESSAGES,
    MAX_PARTICIPANT_BYTES,
    beyond,
)
from trunkline_server.services.media import check_media
from trunkline_server.services.violations import Violations

_TEXT_ONLY: Final = frozenset({"text"})
_OF_ROLE: Final[dict[int, frozenset[str]]] = {
    v1.ROLE_SYSTEM: _TEXT_ONLY,
    v1.ROLE_DEVELOPER: _TEXT_ONLY,
    v1.ROLE_USER: frozenset({"text", "media", "provider_opaque"}),
    v1.ROLE_ASSISTANT: frozenset({"text", "reasoning", "tool_call", "media", "citation", "provider_opaque"}),
    v1.ROLE_TOOL: frozenset({"tool_result"}),
}
_OF_RESULT: Final = frozenset({"text", "media"})
_ALL_KINDS: Final = tuple(field.name for field in v1.Block.DESCRIPTOR.oneofs_by_name["kind"].fields)


class Conversation:
    """One pass over the messages of a request. Keeps what later messages are checked against."""

    __slots__ = ("_blocks", "_calls", "_open", "_violations")

    def __init__(self, violations: Violations) -> None:
        self._violations = violations
        self._calls: set[str] = set()
        self._open: dict[str, tuple[int, int]] = {}
        """Calls that wait for a result, and where each is: message and block."""
        self._blocks = 0

    def check(self, messages: Sequence[v1.Message]) -> None:
        """Notes what is wrong with the messages."""
        if not self._violations.count(len(messages), "messages", MAX_MESSAGES):
            return
        # A slice of a repeated field is a list, which is gone through at half the price. Its length is bounded by now.
        for index, message in enumerate(messages[:]):
            role = message.role
            kinds = _OF_ROLE.get(role)
            if kinds is None:
                self._violations.add(f"messages[{index}].role", "not set or not known; set one of Role")
                kinds = frozenset(_ALL_KINDS)
            elif self._open and role != v1.ROLE_TOOL:
                self._check_answered()
            if message.name:
                self._violations.bound(message.name, f"messages[{index}].name", MAX_PARTICIPANT_BYTES)
            self._check_blocks(message, index, kinds)
        if self._open:
            self._check_answered()

    def _check_blocks(self, message: v1.Message, index: int, kinds: frozenset[str]) -> None:
        blocks = message.blocks
        if not self._room_for(len(blocks), index):
            return
        # A model may answer with nothing, and its turn is replayed as it came.
        if not blocks and message.role != v1.ROLE_ASSISTANT:
            self._violations.add(f"messages[{index}].blocks", "empty; add a block, or leave the message out")
        for place, block in enumerate(blocks[:]):
            kind = block.WhichOneof("kind")
            if kind not in kinds:
                self._violations.add(f"messages[{index}].blocks[{place}]", _misplaced(kind, message.role))
            elif kind == "tool_call":
                self._check_tool_call(block.tool_call, index, place)
            elif kind == "tool_result":
                self._check_tool_result(block.tool_result, index, place)
            elif kind == "media":
                check_media(self._violations, block.media, f"messages[{index}].blocks[{place}].media")
            for path, mend in beyond(block, kind):
                self._violations.add(f"messages[{index}].blocks[{place}]{path}", mend)
            if block.HasField("cache_mark"):
                self._check_cache_mark(block, f"messages[{index}].blocks[{place}]")

    def _room_for(self, number: int, index: int) -> bool:
        self._blocks += number
        if self._blocks - number <= MAX_BLOCKS < self._blocks:
            self._violations.add(
                f"messages[{index}].blocks", f"more than {MAX_BLOCKS} blocks in all messages; leave some out"
            )
        return self._blocks <= MAX_BLOCKS

    def _check_cache_mark(self, block: v1.Block, where: str) -> None:
        if block.cache_mark.HasField("ttl"):
            self._violations.duration(block.cache_mark.ttl, f"{where}.cache_mark.ttl")

    def _check_tool_call(self, call: v1.ToolCall, index: int, place: int) -> None:
        call_id = call.id
        if call_id and call_id not in self._calls and call.name:
            self._calls.add(call_id)
            self._open[call_id] = (index, place)
            return
        where = f"messages[{index}].blocks[{place}].tool_call"
        self._violations.require(call_id, f"{where}.id")
        self._violations.require(call.name, f"{where}.name")
        if call_id in self._calls:
            self._violations.add(f"{where}.id", "a tool call before it has the same id; give each its own")
        self._calls.add(call_id)

    def _check_tool_result(self, result: v1.ToolResult, index: int, place: int) -> None:
        call_id = result.tool_call_id
        if call_id and call_id in self._calls:
            self._open.pop(call_id, None)
        else:
            self._open.clear()  # it was meant for one of them: the same mistake is not told twice
            self._violations.add(
                f"messages[{index}].blocks[{place}].tool_result.tool_call_id",
                "no tool call before it has this id; set it, and send the turn that asked for it as well",
            )
        blocks = result.blocks
        if not self._room_for(len(blocks), index):
            return
        for inner, block in enumerate(blocks):
            kind = block.WhichOneof("kind")
            where = f"messages[{index}].blocks[{place}].tool_result.blocks[{inner}]"
            if kind not in _OF_RESULT:
                self._violations.add(where, "a tool result holds text and media only; put others in messages of theirs")
            elif kind == "media":
                check_media(self._violations, block.media, f"{where}.media")
            for path, mend in beyond(block, kind if kind in _OF_RESULT else None):
                self._violations.add(f"{where}{path}", mend)
            if block.HasField("cache_mark"):
                self._check_cache_mark(block, where)

    def _check_answered(self) -> None:
        """Notes the calls that are open where the results have ended."""
        if self._blocks <= MAX_BLOCKS:  # beyond that results were not looked at
            for index, place in self._open.values():
                self._violations.add(
                    f"messages[{index}].blocks[{place}].tool_call",
                    "nobody has answered it; send its result in a message of ROLE_TOOL right behind the turn",
                )
        self._open.clear()


def _misplaced(kind: str | None, role: v1.Role.ValueType) -> str:
    if kind is None:
        return f"its kind is not set or not known; set one of {', '.join(_ALL_KINDS)}"
    name = v1.Role.Name(role)
    mend = "put it in a message of ROLE_TOOL" if kind == "tool_result" else "put it in the turn of who made it"
    return f"a message of {name} holds no {kind}, only {', '.join(sorted(_OF_ROLE[role]))}; {mend}"
