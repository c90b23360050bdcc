"""The parts of an answer that whole and streamed answers share, as the contract has them."""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.details import detail_of
from trunkline_server.providers.offsets import TextOffsets
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.thoughts import Thought, thought_of
from trunkline_server.providers.openai.wire import Answer, Choice, Message, Token, ToolCall
from trunkline_server.providers.toolcalls import add_tool_calls

__all__ = [
    "arguments_of",
    "audio_type",
    "citation_of",
    "ending_of",
    "media_bytes",
    "name_of",
    "picture_of",
    "reasoning_of",
    "sources_of",
    "thoughts_of",
    "token_logprobs",
    "usage_of",
]

_MPEG_FRAMES: Final = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")
"""First bytes of layer III frames, with and without a checksum, of MPEG 1 and 2 (ISO/IEC 11172-3, 2.4.1.3)."""
_MAX_WORD: Final = 256
"""Longest native finish reason and stop sequence that is passed on, in characters; the rest is cut."""

MAX_SOURCES: Final = 256
"""Most sources of an answer as a whole; those after are left away."""
MAX_COUNT: Final = (1 << 63) - 1

_FINISH_REASONS: Final[Mapping[str, "v1.FinishReason.ValueType"]] = {
    "stop": v1.FINISH_REASON_STOP,
    "length": v1.FINISH_REASON_LENGTH,
    "tool_calls": v1.FINISH_REASON_TOOL_CALLS,
    "function_call": v1.FINISH_REASON_TOOL_CALLS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
}
_INPUT_KINDS: Final = (
    ("text_tokens", v1.MODALITY_TEXT),
    ("image_tokens", v1.MODALITY_IMAGE),
    ("audio_tokens", v1.MODALITY_AUDIO),
    ("video_tokens", v1.MODALITY_VIDEO),
)
_OUTPUT_KINDS: Final = (("text_tokens", v1.MODALITY_TEXT), ("audio_tokens", v1.MODALITY_AUDIO))


def reasoning_of(message: Message) -> str:
    """The thought, under either of its two names; servers that send both send the same text twice."""
    if message.reasoning_content:
        return message.reasoning_content
    return message.reasoning if isinstance(message.reasoning, str) else ""


def thoughts_of(message: Message) -> list[Thought]:
    """The thoughts that came as objects; what `reasoning_of` gives is the same text again."""
    items = message.reasoning_details or message.thinking_blocks
    return [thought for thought in map(thought_of, items) if thought] if items else []


def picture_of(item: Any) -> v1.Media | None:
    """A picture that the model drew; None for what is none. Raises UpstreamMalformed."""
    image = item.get("image_url") if isinstance(item, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        return None
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        return v1.Media(uri=url)
    return v1.Media(mime_type=head[5:].partition(";")[0], data=media_bytes(data))


def name_of(call: ToolCall) -> str:
    """Name of the tool, or "" in a later piece of a call."""
    tool = call.function or call.custom
    return (tool.name if tool else None) or ""


def arguments_of(call: ToolCall) -> bytes:
    """The arguments as the model wrote them."""
    if call.custom:
        return (call.custom.input or "").encode()
    arguments = call.function.arguments if call.function else None
    if arguments is None:
        return b""
    return arguments.encode() if isinstance(arguments, str) else msgspec.json.encode(arguments)


def token_logprobs(tokens: Iterable[Token]) -> list[v1.TokenLogprob]:
    """Log probabilities, token by token."""
    return [
        v1.TokenLogprob(
            token=token.token,
            token_bytes=bytes(token.bytes or ()),
            logprob=token.logprob or 0.0,
            top=[
                v1.TopLogprob(token=other.token, token_bytes=bytes(other.bytes or ()), logprob=other.logprob or 0.0)
                for other in token.top_logprobs or ()
            ],
        )
        for token in tokens
    ]


def usage_of(
    wire: Any, quirks: Quirks, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER
) -> v1.Usage | None:
    """The provider's counts; None if it told none. A number that is no count is not known.

    OpenAI's own convention: prompt tokens include cached ones, completion tokens include reasoning. Where completion
    tokens don't (Quirks.reasoning_tokens), the output is the sum.
    """
    if not isinstance(wire, dict):
        return None
    usage = v1.Usage()
    if (count := count_of(wire, "prompt_tokens")) is not None:
        usage.input_tokens, usage.input_source = count, source
    if (count := count_of(wire, "completion_tokens")) is not None:
        usage.output_tokens, usage.output_source = count, source
    _add_details(usage, wire)
    thought = usage.reasoning_output_tokens
    if thought and usage.HasField("output_tokens") and _reasons_outside(usage, wire, quirks):
        usage.output_tokens = min(usage.output_tokens + thought, MAX_COUNT)
    add_tool_calls(usage, wire)
    return usage if usage.ListFields() else None


def _reasons_outside(usage: v1.Usage, wire: dict[str, Any], quirks: Quirks) -> bool:
    if quirks.reasoning_tokens == "by_total":
        total = count_of(wire, "total_tokens")
        return total == usage.input_tokens + usage.output_tokens + usage.reasoning_output_tokens
    return quirks.reasoning_tokens == "outside"


def _first_count(*places: tuple[Any, str]) -> int | None:
    for wire, name in places:
        if (count := count_of(wire, name)) is not None:
            return count
    return None


def _add_details(usage: v1.Usage, wire: dict[str, Any]) -> None:
    prompt, completion = wire.get("prompt_tokens_details"), wire.get("completion_tokens_details")
    cached = _first_count(
        (prompt, "cached_tokens"),
        (wire, "prompt_cache_hit_tokens"),  # DeepSeek
        (wire, "cached_tokens"),  # Moonshot
        (wire, "cache_read_input_tokens"),  # LiteLLM, Databricks
    )
    if cached is not None:
        usage.cache_read_input_tokens = cached
    written = _first_count(
        (prompt, "cache_write_tokens"),
        (prompt, "cache_creation_input_tokens"),  # Alibaba
        (wire, "cache_creation_input_tokens"),  # LiteLLM, Databricks
    )
    if written is not None:
        usage.cache_write_input_tokens = written
    thought = _first_count((completion, "reasoning_tokens"), (wire, "reasoning_tokens"))  # Perplexity, SGLang
    if thought is not None:
        usage.reasoning_output_tokens = thought
    for name, modality in _INPUT_KINDS:
        if count := count_of(prompt, name):
            usage.input_by_modality.add(modality=modality, tokens=count)
    for name, modality in _OUTPUT_KINDS:
        if count := count_of(completion, name):
            usage.output_by_modality.add(modality=modality, tokens=count)


def ending_of(choice: Choice, quirks: Quirks, *, refused: bool, called: bool) -> v1.Finished:
    """Finish reasons, matched stop, and what a filter found or the provider behind this one says.

    "stop" says only that the model ended; the answer itself says whether it declined or wants tools run. A forced
    tool call ends in "stop" too.
    """
    native = choice.finish_reason or ""
    matched = _matched_stop(choice)
    reason = _FINISH_REASONS.get(native) or _twins_reason(native, quirks)
    if reason == v1.FINISH_REASON_STOP:
        if refused:
            reason = v1.FINISH_REASON_REFUSAL
        elif called:
            reason = v1.FINISH_REASON_TOOL_CALLS
        elif matched:
            reason = v1.FINISH_REASON_STOP_SEQUENCE
    made = v1.Finished(finish_reason=reason, native_finish_reason=native[:_MAX_WORD], matched_stop=matched)
    behind = choice.native_finish_reason
    if reason == v1.FINISH_REASON_CONTENT_FILTER or (isinstance(behind, str) and behind.lower() != native.lower()):
        made.finish_detail = detail_of(_filtered(choice.content_filter_results), behind)
    return made


def _filtered(found: Any) -> str:
    """The categories that an answer was filtered for, and how grave each was: "violence (medium)"."""
    told = []
    for category, result in found.items() if isinstance(found, dict) else ():
        if isinstance(result, dict) and result.get("filtered") is True:
            severity = result.get("severity")
            told.append(f"{category} ({severity})" if isinstance(severity, str) else category)
    return ", ".join(told)


def _twins_reason(native: str, quirks: Quirks) -> "v1.FinishReason.ValueType":
    for theirs, ours in quirks.finish_reasons:
        if theirs == native:
            return v1.FinishReason.Value(f"FINISH_REASON_{ours}")
    return v1.FINISH_REASON_OTHER


def _matched_stop(choice: Choice) -> str:
    for word in (choice.stop_reason, choice.matched_stop, choice.stopping_word):
        if word and isinstance(word, str):
            return word[:_MAX_WORD]
    return ""


def sources_of(answer: Answer) -> list[v1.Citation]:
    """Sources of the answer as a whole; the texts refer to them by their numbers, from 1."""
    results = answer.search_results if isinstance(answer.search_results, list) else []
    made = [
        v1.Citation(uri=_text(item, "url"), title=_text(item, "title"), cited_text=_text(item, "snippet"))
        for item in results
        if _text(item, "url")
    ]
    if made or not isinstance(answer.citations, list):
        return made[:MAX_SOURCES]
    return [v1.Citation(uri=item) for item in answer.citations if isinstance(item, str)][:MAX_SOURCES]


def _text(item: Any, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""


def citation_of(annotation: Any, offsets: TextOffsets | None) -> v1.Citation | None:
    """A source. Offsets are set where `offsets` is given and has them; None for annotations of other kinds.

    The provider's end is one past the last character: slices of the text with it are the cited words.
    """
    cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
    if not isinstance(cited, dict):
        return None
    uri, title = cited.get("url"), cited.get("title")
    citation = v1.Citation(uri=uri if isinstance(uri, str) else "", title=title if isinstance(title, str) else "")
    span = offsets.span(cited.get("start_index"), cited.get("end_index")) if offsets else None
    if span:
        citation.start_offset, citation.end_offset = span
    return citation


def media_bytes(data: str) -> bytes:
    """Sound or a picture from base64. Raises UpstreamMalformed."""
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UpstreamMalformed("the provider sent media that is not base64") from error


def audio_type(head: bytes) -> str:
    """Media type of sound, from its first bytes; the answer itself does not say. Without a known head it is raw."""
    if head[:4] == b"RIFF":
        return "audio/wav"
    if head[:4] == b"fLaC":
        return "audio/flac"
    if head[:4] == b"OggS":
        return "audio/ogg"
    if head[:3] == b"ID3" or head[:2] in _MPEG_FRAMES:
        return "audio/mpeg"
    return "audio/pcm"
