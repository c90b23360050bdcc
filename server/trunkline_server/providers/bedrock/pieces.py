"""What whole answers and streams of Converse have in common: usage, endings, sources, media.

Source: the service model of bedrock-runtime in botocore 1.44; for what the counts include,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.providers.bedrock.formats import mime_type_of
from trunkline_server.providers.bedrock.guardrails import guardrail_detail
from trunkline_server.providers.bedrock.wire import Citation, Media, ToolResult, ToolUse, from_base64, read
from trunkline_server.providers.counts import count_of

__all__ = [
    "ANSWER_TOOL",
    "FORMAT",
    "IN_PIECES",
    "citation_of",
    "ending_of",
    "media_of",
    "server_result",
    "server_use",
    "usage_of",
]

FORMAT: Final = "bedrock"
"""Origin.format of what Converse made."""
ANSWER_TOOL: Final = "trunkline_answer"
"""The tool that stands in for a response format where the model has none: its arguments are the answer."""
IN_PIECES: Final = "stream."
"""Before the type of a ProviderOpaque that is newer than this and came in pieces. It can't be sent back."""

_MAX_WORD: Final = 256
"""Longest native finish reason and stop sequence that is passed on, in characters; the rest is cut."""
_MAX_INT64: Final = (1 << 63) - 1

_ENCODER: Final = msgspec.json.Encoder()

_FINISH_REASONS: Final[Mapping[str, "v1.FinishReason.ValueType"]] = {
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "max_tokens": v1.FINISH_REASON_LENGTH,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "content_filtered": v1.FINISH_REASON_CONTENT_FILTER,
    "guardrail_intervened": v1.FINISH_REASON_CONTENT_FILTER,
    "refusal": v1.FINISH_REASON_REFUSAL,  # not in the service model; Claude's own word
    "pause_turn": v1.FINISH_REASON_PAUSED,  # the same
    "model_context_window_exceeded": v1.FINISH_REASON_CONTEXT_WINDOW,
}


def usage_of(wire: Any, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER) -> v1.Usage | None:
    """The provider's counts; None if it told none. A number that is no count is not known.

    inputTokens leaves out what was read from and written to a cache; here they are in input_tokens.
    """
    usage = v1.Usage()
    plain = count_of(wire, "inputTokens")
    read_tokens, written = count_of(wire, "cacheReadInputTokens"), count_of(wire, "cacheWriteInputTokens")
    if plain is not None and (total := plain + (read_tokens or 0) + (written or 0)) <= _MAX_INT64:
        usage.input_tokens, usage.input_source = total, source
    if (count := count_of(wire, "outputTokens")) is not None:
        usage.output_tokens, usage.output_source = count, source
    if read_tokens is not None:
        usage.cache_read_input_tokens = read_tokens
    if written is not None:
        usage.cache_write_input_tokens = written
    return usage if usage.ListFields() else None


def ending_of(native: str, fields: Any, trace: Any, *, answered: bool, called: bool) -> v1.Finished:
    """Finish reasons, matched stop, what a guardrail blocked and which model a router chose.

    `answered`: ANSWER_TOOL was called; `called`: another tool was.
    """
    reason = _FINISH_REASONS.get(native, v1.FINISH_REASON_OTHER)
    if reason == v1.FINISH_REASON_TOOL_CALLS and answered and not called:
        reason = v1.FINISH_REASON_STOP
    matched = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return v1.Finished(
        finish_reason=reason,
        native_finish_reason=native[:_MAX_WORD],
        matched_stop=matched[:_MAX_WORD] if isinstance(matched, str) else "",
        served_model=_routed_model(trace),
        finish_detail=guardrail_detail(trace) if reason == v1.FINISH_REASON_CONTENT_FILTER else "",
    )


def _routed_model(trace: Any) -> str:
    """The model that a prompt router chose; empty where none did."""
    router = trace.get("promptRouter") if isinstance(trace, dict) else None
    model = router.get("invokedModelId") if isinstance(router, dict) else None
    return model[:_MAX_WORD] if isinstance(model, str) else ""


def citation_of(raw: msgspec.Raw) -> v1.Citation:
    """A source. All of it is in `opaque`. Raises UpstreamMalformed."""
    wire = read(Citation, raw)
    uri = wire.location.web.url if wire.location and wire.location.web else None
    if not uri and wire.source and "://" in wire.source:
        uri = wire.source  # of a search result it is the address that the caller gave
    return v1.Citation(
        uri=uri or "",
        title=wire.title or "",
        cited_text="".join(piece.text or "" for piece in wire.sourceContent or ()),
        opaque=bytes(raw),
    )


def media_of(kind: str, wire: Media) -> v1.Media | None:
    """A medium; None where it is neither given by its bytes nor by its address."""
    media = v1.Media(mime_type=mime_type_of(kind, wire.format or ""), name=wire.name or "")
    source = wire.source
    if source and source.bytes:
        media.data = from_base64(source.bytes)
    elif source and isinstance(source.s3Location, dict) and isinstance(source.s3Location.get("uri"), str):
        media.uri = source.s3Location["uri"]
    else:
        return None
    return media


def server_use(wire: ToolUse, arguments: bytes) -> bytes:
    """A call that Bedrock itself answers, as it may be sent back."""
    use = {"toolUseId": wire.toolUseId, "name": wire.name, "input": msgspec.Raw(arguments), "type": wire.type}
    return _ENCODER.encode(use)


def server_result(wire: ToolResult, content: Sequence[msgspec.Raw]) -> bytes:
    """What a tool of Bedrock's gave back, as it may be sent back."""
    result: dict[str, Any] = {"toolUseId": wire.toolUseId, "content": content}
    if wire.status is not None:
        result["status"] = wire.status
    if wire.type is not None:
        result["type"] = wire.type
    return _ENCODER.encode(result)
