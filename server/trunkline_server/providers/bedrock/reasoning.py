"""How much the model should think, in the words of its vendor.

Which words a model takes is told by its capability; where nothing is known, it is asked as the newest are. A budget of
tokens is a hint, and left out where a model decides by itself. An effort is named as left out where the model gets the
nearest that it has, or less than its budget for want of room. A turn that another model began, and called tools in,
goes on without a budget: Claude refuses to switch one on within a turn. Nova takes neither a bound on the output nor
temperature and top_p beside its highest effort; with one of these it gets the effort below.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html; OutputConfig.effort in botocore 1.44.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import EFFORTS, Capability, Effort
from trunkline_server.providers.bedrock.families import Family
from trunkline_server.providers.refusal import missing

__all__ = ["Thinking", "thinking_of"]

_WORDS: Final[dict[int, Effort]] = {
    v1.ReasoningEffort.Value(f"REASONING_EFFORT_{word.upper()}"): word for word in EFFORTS
}
_LEAST_BUDGET: Final = 1024
"""Claude's own bound."""
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32768,
}
"""Tokens that an effort stands for, where a model takes a budget alone."""
_CLAUDE: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")
_THREE: Final[tuple[Effort, ...]] = ("low", "medium", "high")
_UNKNOWN: Final = Capability()
_DISPLAYS: Final = {
    v1.REASONING_SUMMARY_AUTO: "summarized",
    v1.REASONING_SUMMARY_CONCISE: "summarized",
    v1.REASONING_SUMMARY_DETAILED: "summarized",
    v1.REASONING_SUMMARY_NONE: "omitted",
}


@dataclass(slots=True, kw_only=True)
class Thinking:
    """What the request says of it."""

    members: dict[str, Any] = field(default_factory=dict)
    """For additionalModelRequestFields."""
    effort: str = ""
    """For outputConfig."""
    active: bool = False
    """Whether the request asks the model to reason."""
    left_out: list[str] = field(default_factory=list)


def thinking_of(
    request: v1.CompleteRequest, known: Capability | None, family: Family, *, unthought: bool = False
) -> Thinking:
    """How to ask. `unthought`: the turn called tools already, without a thought before. Raises CapabilityMissing."""
    made = Thinking()
    if not request.HasField("reasoning"):
        return made
    wanted, model = request.reasoning, known or _UNKNOWN
    effort = _wanted(wanted)
    too_late = unthought and effort != "none" and family.thinking == "thinking" and _only_by_budget(model)
    if effort is None or model.reasoning is False or not family.thinking or too_late:
        _leave_out(made, wanted)
    elif family.thinking == "thinking":
        _claude(made, request, model, effort)
    else:
        _words(made, request, model, effort, family)
    return made


def _only_by_budget(model: Capability) -> bool:
    return "budget" in model.reasoning_controls and "adaptive" not in model.reasoning_controls


def _wanted(wanted: v1.ReasoningConfig) -> Effort | None:
    """The effort; that of a budget without one is what the budget is nearest to. None: the model's own."""
    if wanted.effort:
        return _WORDS[wanted.effort]
    if not wanted.HasField("budget_tokens"):
        return None
    if wanted.budget_tokens == 0:
        return "none"
    return min(_BUDGETS, key=lambda word: abs(_BUDGETS[word] - wanted.budget_tokens))


def _leave_out(made: Thinking, wanted: v1.ReasoningConfig) -> None:
    """Names all that is set."""
    if wanted.effort:
        made.left_out.append("reasoning.effort")
    _name_beside(made, wanted)


def _claude(made: Thinking, request: v1.CompleteRequest, model: Capability, effort: Effort) -> None:
    wanted, controls = request.reasoning, model.reasoning_controls
    if effort == "none" and not model.reasoning_always:
        made.members["thinking"] = {
            "type": model.reasoning_off if model.reasoning_off == "between_tools" else "disabled"
        }
        _name_beside(made, wanted)
        return
    made.active = True
    with_words = not controls or "effort" in controls
    if "budget" in controls and (wanted.budget_tokens or "adaptive" not in controls):
        tokens = _budget(request, effort)
        thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": tokens}
        if wanted.effort and not with_words and tokens != _BUDGETS.get(effort):
            made.left_out.append("reasoning.effort")
    else:
        thinking = {"type": "adaptive"}
        if wanted.HasField("budget_tokens"):
            made.left_out.append("reasoning.budget_tokens")
    if display := _DISPLAYS.get(wanted.summary):
        thinking["display"] = display
    made.members["thinking"] = thinking
    if wanted.effort and with_words:
        made.effort = _nearest(model, effort, _CLAUDE)
        if made.effort != effort:
            made.left_out.append("reasoning.effort")


def _budget(request: v1.CompleteRequest, effort: Effort) -> int:
    """Tokens to think with: less than those of the whole answer, and no fewer than the provider's least."""
    wanted = request.reasoning
    bounded = request.HasField("max_output_tokens")
    most = request.max_output_tokens - 1 if bounded else max(_BUDGETS.values())
    if bounded and most < _LEAST_BUDGET:
        text = f"this model reasons with at least {_LEAST_BUDGET} tokens, which are part of the answer; allow more"
        raise missing("max_output_tokens", text)
    if wanted.budget_tokens:
        if wanted.budget_tokens < _LEAST_BUDGET:
            raise missing("reasoning.budget_tokens", f"this model takes {_LEAST_BUDGET} or more")
        if bounded and wanted.budget_tokens > most:
            text = "this model counts reasoning as output; set it below max_output_tokens"
            raise missing("reasoning.budget_tokens", text)
        return wanted.budget_tokens
    return min(_BUDGETS.get(effort, _LEAST_BUDGET), most)


def _words(made: Thinking, request: v1.CompleteRequest, model: Capability, effort: Effort, family: Family) -> None:
    """Vendors that take one of a few words."""
    wanted = request.reasoning
    word = _nearest(model, effort, _THREE)
    if word == "high" and family.thinking == "reasoningConfig" and _is_bound(request):
        word = "medium"
    switched_off = effort == "none" and family.thinking == "reasoningConfig"
    if wanted.effort and word != effort and not switched_off:
        made.left_out.append("reasoning.effort")
    if family.thinking == "reasoning_effort":
        made.members["reasoning_effort"] = word
        made.active = True
    elif switched_off:
        made.members["reasoningConfig"] = {"type": "disabled"}
    else:
        made.members["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}
        made.active = True
    _name_beside(made, wanted)


def _is_bound(request: v1.CompleteRequest) -> bool:
    """Whether the request says what Nova refuses beside its highest effort."""
    sampling = request.sampling
    return request.HasField("max_output_tokens") or sampling.HasField("temperature") or sampling.HasField("top_p")


def _name_beside(made: Thinking, wanted: v1.ReasoningConfig) -> None:
    """Names what stands beside the effort and is not sent."""
    if wanted.HasField("budget_tokens"):
        made.left_out.append("reasoning.budget_tokens")
    if wanted.summary:
        made.left_out.append("reasoning.summary")


def _nearest(model: Capability, effort: Effort, words: tuple[Effort, ...]) -> str:
    """The model's own word; where its words are not known, one of `words`."""
    return (model if model.efforts else Capability(efforts=words)).nearest_effort(effort) or words[0]
