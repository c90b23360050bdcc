"""How much a model should reason, in the words of its provider."""

from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import EFFORTS, Capability, Effort
from trunkline_server.providers.openai.quirks import ReasoningWords

__all__ = ["add_reasoning"]

_EFFORTS: Final[dict[int, Effort]] = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "max",
}
_SUMMARIES: Final = {
    v1.REASONING_SUMMARY_AUTO: "auto",
    v1.REASONING_SUMMARY_CONCISE: "concise",
    v1.REASONING_SUMMARY_DETAILED: "detailed",
}


def add_reasoning(
    body: dict[str, Any],
    wanted: v1.ReasoningConfig,
    capability: Capability | None,
    words: ReasoningWords,
    left_out: list[str],
) -> None:
    """Write what was asked for into the body.

    What has no form is named in `left_out`, and an effort also where another word than its own is sent.
    """
    has_budget = wanted.HasField("budget_tokens")
    if has_budget and words.budget:
        if words.switch:
            _switch(body, words, on=wanted.budget_tokens > 0)
        if words.budget_with[0]:
            _put(body, *words.budget_with)
        if wanted.budget_tokens or not words.switch:
            _put(body, words.budget, wanted.budget_tokens)
    elif has_budget:
        left_out.append("reasoning.budget_tokens")
    if effort := _EFFORTS.get(wanted.effort):
        if has_budget and words.budget:
            left_out.append("reasoning.effort")
        else:
            _add_effort(body, effort, capability, words, left_out)
    if summary := _SUMMARIES.get(wanted.summary):
        if words.summary:
            _put(body, words.summary, summary)
        else:
            left_out.append("reasoning.summary")


def _add_effort(
    body: dict[str, Any], effort: Effort, capability: Capability | None, words: ReasoningWords, left_out: list[str]
) -> None:
    can_stop = capability is None or not capability.reasoning_always
    if words.switch and can_stop:
        _switch(body, words, on=effort != "none")
        if effort == "none":
            return
    controls = capability.reasoning_controls if capability else ()
    if not words.effort or controls == ("switch",):
        left_out.append("reasoning.effort")  # more or less of it can't be said, only that
    else:
        word = _nearest((capability.nearest_effort(effort) if capability else None) or effort, words.efforts)
        if word != effort:
            left_out.append("reasoning.effort")
        _put(body, words.effort, word)


def _switch(body: dict[str, Any], words: ReasoningWords, *, on: bool) -> None:
    value = words.on if on else words.off
    if value != "":
        _put(body, words.switch, value)


def _nearest(wanted: Effort, taken: tuple[Effort, ...]) -> Effort:
    """The word that is taken and nearest; the lesser of two as near."""
    if not taken or wanted in taken:
        return wanted
    return min(taken, key=lambda effort: abs(EFFORTS.index(effort) - EFFORTS.index(wanted)))


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    """Write at a path like "thinking.type"."""
    name, _, below = path.partition(".")
    if below:
        body.setdefault(name, {})[below] = value
    else:
        body[name] = value
