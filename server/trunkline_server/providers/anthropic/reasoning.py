"""How a model is asked to think, by what is known of it.

1. A model of which nothing is known is asked as the newest are: it decides by itself, and an effort says how much.
2. A model that takes only a budget gets one for an effort; a budget is left out where the model takes none. An effort
   is named as left out where the model gets the nearest that it has, or less than its budget for want of room.
3. What the model would refuse beside thinking is refused here, naming the field.
4. A turn that another model began, and called tools in, goes on without a budget: the provider refuses to switch it on
   within a turn.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking and .../effort
"""

from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import Capability, Effort
from trunkline_server.providers.refusal import missing

__all__ = ["Thinking"]

_LEAST_BUDGET: Final = 1024
_WORDS: Final[dict[int, Effort]] = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "max",
}
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Tokens of thinking for an effort, at most four fifths of the bound on the output."""

_UNSEEN: Final = (v1.REASONING_SUMMARY_UNSPECIFIED, v1.REASONING_SUMMARY_NONE)


class Thinking:
    """What one request says of thinking. `member` and `effort` go into the body; None: nothing is said."""

    __slots__ = ("_capability", "_controls", "effort", "left_out", "max_tokens", "member")

    def __init__(
        self,
        reasoning: v1.ReasoningConfig,
        capability: Capability | None,
        *,
        max_tokens: int,
        bound_by_caller: bool,
        unthought: bool = False,
    ) -> None:
        self._capability = capability
        self._controls = capability.reasoning_controls if capability and capability.reasoning_controls else ()
        self.member: dict[str, Any] | None = None
        self.effort: str | None = None
        self.left_out: list[str] = []
        self.max_tokens = max_tokens
        """The bound on the output, more than before where a budget needs room and the caller set no bound."""
        effort = _WORDS.get(reasoning.effort)
        budget = reasoning.budget_tokens if reasoning.HasField("budget_tokens") else None
        if (capability is not None and capability.reasoning is False) or (unthought and self._only_by_budget(effort)):
            self._drop_all(reasoning, effort)
            return
        if effort == "none" or (effort is None and budget == 0):
            self._switch_off(budget if effort else None)
        elif budget and "budget" in self._controls:
            self._enable(self._checked(budget, bound_by_caller=bound_by_caller))
            self._add_effort(effort)
        else:
            if budget is not None:
                self.left_out.append("reasoning.budget_tokens")
            if effort is not None or self._wants_to_see(reasoning):
                self._think(effort, bound_by_caller=bound_by_caller)
        self._show(reasoning)

    @property
    def on(self) -> bool:
        """Whether the request asks for thinking."""
        return self.member is not None and self.member["type"] in ("adaptive", "enabled")

    def _only_by_budget(self, effort: Effort | None) -> bool:
        return effort != "none" and "budget" in self._controls and "adaptive" not in self._controls

    def _drop_all(self, reasoning: v1.ReasoningConfig, effort: Effort | None) -> None:
        if effort is not None:
            self.left_out.append("reasoning.effort")
        if reasoning.HasField("budget_tokens"):
            self.left_out.append("reasoning.budget_tokens")
        if reasoning.summary:
            self.left_out.append("reasoning.summary")

    def _switch_off(self, budget: int | None) -> None:
        if budget is not None:
            self.left_out.append("reasoning.budget_tokens")
        if self._capability is not None and self._capability.reasoning_always:
            self._add_effort("none")  # as little as it can
            return
        off = self._capability.reasoning_off if self._capability else None
        self.member = {"type": "between_tools" if off == "between_tools" else "disabled"}

    def _think(self, effort: Effort | None, *, bound_by_caller: bool) -> None:
        if self._controls and "adaptive" not in self._controls:
            if "budget" in self._controls:
                self._enable(self._budget_for(effort, bound_by_caller=bound_by_caller))
        else:
            self.member = {"type": "adaptive"}
        self._add_effort(effort)

    def _enable(self, budget: int) -> None:
        self.member = {"type": "enabled", "budget_tokens": budget}

    def _budget_for(self, asked: Effort | None, *, bound_by_caller: bool) -> int:
        effort = asked or "medium"
        if self.max_tokens <= _LEAST_BUDGET:
            if bound_by_caller:
                raise missing("max_output_tokens", f"thinking takes {_LEAST_BUDGET} tokens of it, so it has to be more")
            self.max_tokens += _LEAST_BUDGET
        budget = max(min(_BUDGETS[effort], self.max_tokens * 4 // 5), _LEAST_BUDGET)
        if asked and budget != _BUDGETS[effort]:
            self._name_effort()
        return budget

    def _checked(self, budget: int, *, bound_by_caller: bool) -> int:
        if budget < _LEAST_BUDGET:
            raise missing("reasoning.budget_tokens", f"this provider takes {_LEAST_BUDGET} or more, or 0 for none")
        if budget >= self.max_tokens:
            most = self._capability.max_output_tokens if self._capability else None
            if bound_by_caller or (most is not None and budget >= most):
                text = "this provider counts thinking as output; set it below max_output_tokens"
                raise missing("reasoning.budget_tokens", text)
            self.max_tokens = min(budget + self.max_tokens, most or budget + self.max_tokens)
        return budget

    def _add_effort(self, effort: Effort | None) -> None:
        if effort is None:
            return
        if self._controls and "effort" not in self._controls:
            return  # the budget says it
        known = self._capability.nearest_effort(effort) if self._capability else None
        self.effort = known or ("low" if effort in ("none", "minimal") else effort)
        if self.effort != effort:
            self._name_effort()

    def _name_effort(self) -> None:
        if "reasoning.effort" not in self.left_out:
            self.left_out.append("reasoning.effort")

    def _wants_to_see(self, reasoning: v1.ReasoningConfig) -> bool:
        """Whether a summary is asked for, of a model that decides by itself whether it thinks."""
        return reasoning.summary not in _UNSEEN and (not self._controls or "adaptive" in self._controls)

    def _show(self, reasoning: v1.ReasoningConfig) -> None:
        if not reasoning.summary:
            return
        if self.on and self.member is not None:
            self.member["display"] = "omitted" if reasoning.summary in _UNSEEN else "summarized"
        else:
            self.left_out.append("reasoning.summary")
