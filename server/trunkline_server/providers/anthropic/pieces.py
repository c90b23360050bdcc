"""The parts of an answer that whole and streamed answers share, as the contract has them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.anthropic.messages import CALL_MEMBERS
from trunkline_server.providers.anthropic.wire import Block, decode_citation, kind_of, members_of_block
from trunkline_server.providers.details import detail_of

__all__ = [
    "KNOWN_BLOCKS",
    "call_members",
    "citation_of",
    "ending_of",
    "name_of",
    "opaque_data",
    "stop_word",
]

KNOWN_BLOCKS: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
"""Kinds of blocks that have a form in the contract. Others are kept as they came."""

_MAX_WORD: Final = 256
"""Longest native finish reason and stop sequence that is passed on, in characters; the rest is cut."""

_FINISH_REASONS: Final[Mapping[str, "v1.FinishReason.ValueType"]] = {
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "max_tokens": v1.FINISH_REASON_LENGTH,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "pause_turn": v1.FINISH_REASON_PAUSED,
    "compaction": v1.FINISH_REASON_PAUSED,
    "refusal": v1.FINISH_REASON_REFUSAL,
    "model_context_window_exceeded": v1.FINISH_REASON_CONTEXT_WINDOW,
}


def name_of(block: Block) -> str:
    """The name of the tool that is called. Raises UpstreamMalformed."""
    if not block.name:
        raise UpstreamMalformed("the provider sent a tool call without a name")
    return block.name


def call_members(block: Block) -> bytes:
    """What else of a call the provider wants back with it; empty where there is nothing. Raises UpstreamMalformed.

    A call that the model makes directly says so or says nothing, which is the same.
    """
    members = {name: getattr(block, name) for name in CALL_MEMBERS}
    kept = {name: value for name, value in members.items() if value and bytes(value) != b"null"}
    if not kept or ("caller" in kept and len(kept) == 1 and kind_of(kept["caller"]) == "direct"):
        return b""
    made = msgspec.json.encode(kept)
    members_of_block(made)  # that it is JSON in UTF-8: it is passed on unread
    return made


def opaque_data(members: dict[str, msgspec.Raw], raw: bytes) -> bytes:
    """A block of an unknown kind, for replay.

    It is kept as it came, but for one with an input: in a stream that comes in pieces, and is put in its place.
    """
    return msgspec.json.encode(members) if "input" in members else raw


def citation_of(raw: msgspec.Raw) -> v1.Citation:
    """A source. Raises UpstreamMalformed.

    It belongs to its whole text block, so no span within that is told; the provider's own numbers are places in the
    source, and stay in `opaque`.
    """
    members_of_block(raw)  # that it is an object in UTF-8: it is passed on unread
    wire = decode_citation(raw)
    source = wire.source or ""
    is_address = source.startswith(("https://", "http://"))
    return v1.Citation(
        uri=wire.url or (source if is_address else ""),
        title=wire.title or wire.document_title or "",
        cited_text=wire.cited_text or "",
        source_id=wire.file_id or source,
        opaque=bytes(raw),
    )


def stop_word(value: Any) -> str:
    """A finish reason; empty where there is none."""
    return value if isinstance(value, str) else ""


def ending_of(
    reason: str, stop_sequence: Any, stop_details: Any, *, answered_by_call: bool, called: bool
) -> v1.Finished:
    """Finish reasons, matched stop, and which policy a refusal was for.

    `answered_by_call`: the answer in JSON came as a call, which is no call to the caller. `called`: others were made.
    """
    finish = _FINISH_REASONS.get(reason, v1.FINISH_REASON_OTHER)
    if finish == v1.FINISH_REASON_TOOL_CALLS and answered_by_call and not called:
        finish = v1.FINISH_REASON_STOP
    matched = stop_sequence[:_MAX_WORD] if isinstance(stop_sequence, str) else ""
    made = v1.Finished(finish_reason=finish, native_finish_reason=reason[:_MAX_WORD], matched_stop=matched)
    if isinstance(stop_details, dict):
        made.finish_detail = detail_of(stop_details.get("category"), stop_details.get("explanation"))
    return made
