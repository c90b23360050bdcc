"""The parts of an answer that whole and streamed answers share, as the contract has them.

How an item survives a round trip, so that a later turn gives the provider back what it sent:

    reasoning                    Reasoning.opaque is the whole item; text and summary are for people to read
    message                      a text block for each part; the item without its content is their signature
    function_call, custom_tool_call   a ToolCall whose id is call_id; the rest of the item is the signature
    any other                    ProviderOpaque.data is the whole item

A message's parts carry equal signatures, by which they find together again; its phase is in there, which the models
need back. A part of a kind that is not known is a ProviderOpaque with that signature.
"""

from collections.abc import Set
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.offsets import TextOffsets
from trunkline_server.providers.openai_responses.wire import Item, Part, Response, decode_parts, is_set
from trunkline_server.providers.toolcalls import add_tool_calls

__all__ = [
    "CALLS",
    "arguments_of",
    "asks_for_tools",
    "call_id_of",
    "citations_of",
    "ending_of",
    "envelope_of",
    "is_text",
    "joined_text",
    "usage_of",
    "word_of",
]

CALLS: Final = frozenset({"function_call", "custom_tool_call"})
SEPARATOR: Final = "\n\n"
"""Between the parts of a summary, and of a thought."""

_MAX_WORD: Final = 256
_CONTENT: Final = {
    "message": ("content",),
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
}
"""What of an item stands in the blocks themselves, and not in the signature."""

_RUN_BY_CALLERS: Final = (
    ("computer_call", "computer_call_output"),
    ("local_shell_call", "local_shell_call_output"),
    ("shell_call", "shell_call_output"),
    ("apply_patch_call", "apply_patch_call_output"),
    ("tool_search_call", "tool_search_output"),
    ("mcp_approval_request", "mcp_approval_response"),
)
"""Items that ask the caller for something, unless the provider answers them itself in the same answer."""

_INCOMPLETE: Final = {
    "max_output_tokens": v1.FINISH_REASON_LENGTH,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
}

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def envelope_of(item: Item, data: bytes) -> bytes:
    """An item's JSON without what its blocks hold: the signature of these."""
    members = _MEMBERS.decode(data)
    for name in _CONTENT[item.type]:
        members.pop(name, None)
    return _ENCODER.encode(members)


def is_text(part: Part) -> bool:
    """Whether a part of a message is one that a text block can hold."""
    return part.type in ("output_text", "refusal")


def word_of(part: Part) -> str:
    """The text of a part; empty if there is none."""
    text = part.refusal if part.type == "refusal" else part.text
    return text if isinstance(text, str) else ""


def joined_text(raw: msgspec.Raw) -> str:
    """A thought or its summary, of all parts. Raises UpstreamMalformed."""
    texts = (part.text for part, _ in decode_parts(raw))
    return SEPARATOR.join(text for text in texts if text and isinstance(text, str))


def arguments_of(item: Item) -> bytes:
    """Arguments of a call as the model wrote them; free text of a custom tool."""
    arguments = item.input if item.type == "custom_tool_call" else item.arguments
    if isinstance(arguments, str):
        return arguments.encode()
    return b"" if arguments is None else _ENCODER.encode(arguments)


def call_id_of(item: Item, response_id: str, number: int) -> str:
    """The id that the result of a call has to name."""
    for known in (item.call_id, item.id):
        if known and isinstance(known, str):
            return known
    return f"call_{response_id}_{number}"


def citations_of(part: Part, text: str) -> list[v1.Citation]:
    """The sources of a text, each with its own JSON. Raises UpstreamMalformed."""
    if bytes(part.annotations) in (b"", b"null", b"[]"):
        return []
    offsets = TextOffsets()
    offsets.add(text)
    try:
        return [_citation(raw, offsets) for raw in _RAWS.decode(part.annotations)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamMalformed("the provider sent citations that are not in its own format") from error


def _citation(raw: msgspec.Raw, offsets: TextOffsets) -> v1.Citation:
    """One source. The provider's end is one past the last character, as in chat completions."""
    data = bytes(raw)
    data.decode()
    wire = _OBJECT.decode(data)
    citation = v1.Citation(
        uri=_line(wire.get("url")),
        title=_line(wire.get("title")) or _line(wire.get("filename")),
        source_id=_line(wire.get("file_id")),
        opaque=data,
    )
    if span := offsets.span(wire.get("start_index"), wire.get("end_index")):
        citation.start_offset, citation.end_offset = span
    return citation


def _line(value: Any) -> str:
    return value if isinstance(value, str) else ""


def usage_of(wire: Any, tools: Any, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER) -> v1.Usage | None:
    """The provider's counts; None if it told none. A number that is no count is not known.

    `tools`: what it tells of its tools outside of them. Its own convention is the contract's: input includes what was
    read from and written to the cache, output includes reasoning.
    """
    if not isinstance(wire, dict):
        return None
    usage = v1.Usage()
    if (count := count_of(wire, "input_tokens")) is not None:
        usage.input_tokens, usage.input_source = count, source
    if (count := count_of(wire, "output_tokens")) is not None:
        usage.output_tokens, usage.output_source = count, source
    input_details = wire.get("input_tokens_details")
    if (count := count_of(input_details, "cached_tokens")) is not None:
        usage.cache_read_input_tokens = count
    if (count := count_of(input_details, "cache_write_tokens")) is not None:
        usage.cache_write_input_tokens = count
    if (count := count_of(wire.get("output_tokens_details"), "reasoning_tokens")) is not None:
        usage.reasoning_output_tokens = count
    add_tool_calls(usage, wire, {"tool_usage": tools})
    return usage if usage.ListFields() else None


def asks_for_tools(kinds: Set[str]) -> bool:
    """Whether an answer with items of these kinds waits for the caller."""
    if kinds & CALLS:
        return True
    return any(asked in kinds and answered not in kinds for asked, answered in _RUN_BY_CALLERS)


def ending_of(response: Response, *, refused: bool, called: bool) -> v1.Finished:
    """Finish reasons of an answer that is completed or incomplete; any other has none.

    "completed" says only that the model ended: the answer itself says whether it declined or wants tools run.
    """
    if response.status == "completed":
        reason = v1.FINISH_REASON_STOP
        if refused:
            reason = v1.FINISH_REASON_REFUSAL
        elif called:
            reason = v1.FINISH_REASON_TOOL_CALLS
        return v1.Finished(finish_reason=reason, native_finish_reason="completed")
    native = _incomplete_reason(response)
    reason = _INCOMPLETE.get(native, v1.FINISH_REASON_OTHER)
    return v1.Finished(finish_reason=reason, native_finish_reason=native)


def _incomplete_reason(response: Response) -> str:
    try:
        reason = (
            _OBJECT.decode(response.incomplete_details).get("reason") if is_set(response.incomplete_details) else ""
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = ""
    return _line(reason)[:_MAX_WORD] or "incomplete"
