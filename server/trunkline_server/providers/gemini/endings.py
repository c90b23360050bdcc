"""Usage, finish reasons and log probabilities of an answer, as the contract has them."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.errors import UpstreamContentPolicy
from trunkline_server.providers.counts import count_of
from trunkline_server.providers.details import detail_of
from trunkline_server.providers.failure import failure, word
from trunkline_server.providers.gemini.wire import LogprobsResult, Token, TopCandidates

__all__ = ["blocked", "ending_of", "finish_detail", "is_ending", "token_logprobs", "usage_of"]

_MAX_WORD: Final = 256
"""Longest native finish reason that is passed on, in characters; the rest is cut."""
_MAX_INT64: Final = (1 << 63) - 1
_MAX_KINDS: Final = 64
"""So many entries of a list by modality are read."""

_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"

_FINISH_REASONS: Final[Mapping[str, "v1.FinishReason.ValueType"]] = {
    "STOP": v1.FINISH_REASON_STOP,
    "MAX_TOKENS": v1.FINISH_REASON_LENGTH,
    "CONTINUATION": v1.FINISH_REASON_LENGTH,  # a bound on one answer; going on needs a token that has no place here
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"),
        ),
        v1.FINISH_REASON_CONTENT_FILTER,
    ),
}
"""Any other is OTHER: LANGUAGE, MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS, NO_IMAGE, ..."""

_MODALITIES: Final[Mapping[str, "v1.Modality.ValueType"]] = {
    "TEXT": v1.MODALITY_TEXT,
    "IMAGE": v1.MODALITY_IMAGE,
    "AUDIO": v1.MODALITY_AUDIO,
    "VIDEO": v1.MODALITY_VIDEO,
    "DOCUMENT": v1.MODALITY_DOCUMENT,
}


def is_ending(native: str | None) -> bool:
    """Whether this word says that the answer ended."""
    return bool(native) and native != _UNSPECIFIED


def ending_of(native: str, detail: str, *, called: bool) -> v1.Finished:
    """The finish reason. STOP says only that the model ended; the answer itself says whether it wants tools run."""
    reason = _FINISH_REASONS.get(native, v1.FINISH_REASON_OTHER)
    if reason == v1.FINISH_REASON_STOP and called:
        reason = v1.FINISH_REASON_TOOL_CALLS
    return v1.Finished(finish_reason=reason, native_finish_reason=native[:_MAX_WORD], finish_detail=detail)


def finish_detail(message: Any, ratings: Any) -> str:
    """What Google says of the reason, and the categories of harm that an answer was blocked for."""
    blocking = [
        rating["category"]
        for rating in (ratings[:_MAX_KINDS] if isinstance(ratings, list) else ())
        if isinstance(rating, dict) and rating.get("blocked") is True and isinstance(rating.get("category"), str)
    ]
    return detail_of(", ".join(dict.fromkeys(blocking)), message)


def blocked(reason: str, message: str) -> UpstreamContentPolicy:
    """The failure of a prompt that the filter refused."""
    error = failure(UpstreamContentPolicy, status=200, code=word(reason), message=message)
    assert isinstance(error, UpstreamContentPolicy)  # noqa: S101 - what was asked for
    return error


def usage_of(wire: Any, source: "v1.UsageSource.ValueType" = v1.USAGE_SOURCE_PROVIDER) -> v1.Usage | None:
    """The provider's counts; None if it told none.

    Google's own convention: the prompt includes what came from a cache, but not what its own tools fed back, and
    candidates leave thoughts out. The total is the sum of all four. Some answers count thoughts among candidates all
    the same, which the total gives away.
    """
    if not isinstance(wire, dict):
        return None
    usage = v1.Usage()
    fed_back = _add_input(usage, wire, source)
    _add_output(usage, wire, source, fed_back or 0)
    _add_kinds(usage.input_by_modality, wire.get("promptTokensDetails"), wire.get("toolUsePromptTokensDetails"))
    _add_kinds(usage.output_by_modality, wire.get("candidatesTokensDetails"))
    return usage if usage.ListFields() else None


def _add_input(usage: v1.Usage, wire: dict[str, Any], source: "v1.UsageSource.ValueType") -> int | None:
    fed_back = count_of(wire, "toolUsePromptTokenCount")
    if fed_back is not None:
        usage.tool_input_tokens = fed_back
    if (prompt := count_of(wire, "promptTokenCount")) is not None:
        usage.input_tokens, usage.input_source = _bounded(prompt + (fed_back or 0)), source
    if (cached := count_of(wire, "cachedContentTokenCount")) is not None:
        usage.cache_read_input_tokens = cached
    return fed_back


def _add_output(usage: v1.Usage, wire: dict[str, Any], source: "v1.UsageSource.ValueType", fed_back: int) -> None:
    said, thought = count_of(wire, "candidatesTokenCount"), count_of(wire, "thoughtsTokenCount")
    if thought is not None:
        usage.reasoning_output_tokens = thought
    if said is None and thought is None:
        return
    total, prompt = count_of(wire, "totalTokenCount"), count_of(wire, "promptTokenCount")
    among = said is not None and prompt is not None and total == prompt + fed_back + said
    output = (said or 0) + (0 if among else thought or 0)
    usage.output_tokens, usage.output_source = _bounded(output), source


def _add_kinds(kinds: Any, *lists: Any) -> None:
    tokens: dict[v1.Modality.ValueType, int] = {}
    for entries in lists:
        for entry in entries[:_MAX_KINDS] if isinstance(entries, list) else ():
            name = entry.get("modality") if isinstance(entry, dict) else None
            modality = _MODALITIES.get(name) if isinstance(name, str) else None
            count = count_of(entry, "tokenCount")
            if modality is not None and count:
                tokens[modality] = _bounded(tokens.get(modality, 0) + count)
    for modality, count in tokens.items():
        kinds.add(modality=modality, tokens=count)


def _bounded(count: int) -> int:
    return min(count, _MAX_INT64)


def token_logprobs(result: LogprobsResult) -> list[v1.TokenLogprob]:
    """Log probabilities, token by token. Without the chosen ones nothing can be told."""
    places = zip_longest(result.chosenCandidates or (), result.topCandidates or (), fillvalue=None)
    return [_logprob(chosen, top) for chosen, top in places if isinstance(chosen, Token)]


def _logprob(chosen: Token, top: Token | TopCandidates | None) -> v1.TokenLogprob:
    others: Iterable[Token] = (top.candidates or ()) if isinstance(top, TopCandidates) else ()
    return v1.TokenLogprob(
        token=chosen.token or "",
        logprob=chosen.logProbability or 0.0,
        top=[v1.TopLogprob(token=other.token or "", logprob=other.logProbability or 0.0) for other in others],
    )
