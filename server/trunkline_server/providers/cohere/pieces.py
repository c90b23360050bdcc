"""The parts of an answer that whole and streamed answers share, as the contract has them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.errors import UpstreamBroken
from trunkline_server.providers.cohere.errors import broken_reason
from trunkline_server.providers.cohere.wire import Citation, Logprobs, malformed, text_of
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.offsets import TextOffsets

__all__ = ["call_id", "call_of", "citations_of", "ending_of", "is_of_text", "logprobs_of", "stop_word", "usage_of"]

_MAX_WORD: Final = 256
"""Longest native finish reason that is passed on, in characters; the rest is cut."""

_FINISH_REASONS: Final[Mapping[str, "v1.FinishReason.ValueType"]] = {
    "COMPLETE": v1.FINISH_REASON_STOP,
    "STOP_SEQUENCE": v1.FINISH_REASON_STOP_SEQUENCE,
    "MAX_TOKENS": v1.FINISH_REASON_LENGTH,
    "TOOL_CALL": v1.FINISH_REASON_TOOL_CALLS,
}
_FAILURES: Final = frozenset({"ERROR", "TIMEOUT"})
_NOT_OF_TEXT: Final = ("PLAN", "THINKING_CONTENT")
"""Not a set: what is looked for may be a value of any kind."""


def stop_word(value: Any, error: Any) -> str:
    """The finish reason. Raises UpstreamBroken where there is none, and what ERROR and TIMEOUT tell of."""
    if not isinstance(value, str) or not value:
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    if value in _FAILURES:
        raise broken_reason(value, error if isinstance(error, str) else "")
    return value


def ending_of(reason: str, usage: v1.Usage | None) -> v1.Finished:
    """How the answer ended. Which stop sequence was met, Cohere does not tell."""
    finish = _FINISH_REASONS.get(reason, v1.FINISH_REASON_OTHER)
    return v1.Finished(finish_reason=finish, native_finish_reason=reason[:_MAX_WORD], usage=usage)


def usage_of(wire: Any, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER) -> v1.Usage | None:
    """The provider's counts; None if it told none. A number that is no count is not known.

    `tokens` is all that the model read and wrote, templates of the provider's and thoughts among it; `billed_units`,
    which are fewer, stand in where it is missing. What hit the cache is a part of the input.
    """
    if not isinstance(wire, dict):
        return None
    usage = v1.Usage()
    tokens, billed = wire.get("tokens"), wire.get("billed_units")
    read, written = (
        count_of(billed, name) if (count := count_of(tokens, name)) is None else count
        for name in ("input_tokens", "output_tokens")
    )
    if read is not None:
        usage.input_tokens, usage.input_source = read, source
    if written is not None:
        usage.output_tokens, usage.output_source = written, source
    cached = count_of(wire, "cached_tokens")
    if cached is not None and (read is None or cached <= read):
        usage.cache_read_input_tokens = cached
    return usage if usage.ListFields() else None


def call_of(wire: Any) -> tuple[str, str, str]:
    """Id, name and arguments of a call, or of its beginning. Raises UpstreamMalformed."""
    function = wire.get("function") if isinstance(wire, dict) else None
    if not isinstance(function, dict) or not (name := text_of(function.get("name"))):
        raise malformed()
    return text_of(wire.get("id")), name, text_of(function.get("arguments"))


def is_of_text(citation: Citation) -> bool:
    """Whether a span of a text is meant, and none of a plan or a thought."""
    return citation.type not in _NOT_OF_TEXT


def citations_of(wire: Citation, raw: bytes, offsets: TextOffsets | None) -> list[v1.Citation]:
    """A citation for each source of a span; the first has the provider's bytes, which name all. At least one.

    Cohere counts characters of the content that it names. None: it names none that is known.
    """
    made = [_citation(source) for source in wire.sources or ()] or [v1.Citation()]
    made[0].opaque = raw
    span = offsets.span(wire.start, wire.end) if offsets else None
    if span:
        for citation in made:
            citation.start_offset, citation.end_offset = span
    return made


def _citation(source: Any) -> v1.Citation:
    """One source: a document of the caller's, or what a tool gave back."""
    if not isinstance(source, dict):
        return v1.Citation()
    told = source.get("document") or source.get("tool_output")
    told = told if isinstance(told, dict) else {}
    return v1.Citation(uri=_line(told.get("url")), title=_line(told.get("title")), source_id=_line(source.get("id")))


def _line(value: Any) -> str:
    return value if isinstance(value, str) else ""


def logprobs_of(items: Iterable[Logprobs]) -> list[v1.TokenLogprob]:
    """How likely the tokens were. Where the text of several is told as one, so is their probability."""
    return [v1.TokenLogprob(token=item.text or "", logprob=sum(item.logprobs)) for item in items if item.logprobs]


def call_id(response_id: str, number: int) -> str:
    """An id for a tool call that came without one: the result of the tool has to name it."""
    return f"call_{response_id}_{number}"
