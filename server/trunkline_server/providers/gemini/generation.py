"""The generationConfig of a request: sampling, bounds, the form of the answer, thinking."""

from collections.abc import Mapping
from typing import Any, Final

from trunkline import v1
from trunkline_server.core.capability import Capability, Effort
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.gemini.ways import takes_levels
from trunkline_server.providers.jsontext import embedded
from trunkline_server.providers.refusal import missing

__all__ = ["generation_config"]

_MAX_STOP: Final = 5
_MAX_INT32: Final = (1 << 31) - 1

_SAMPLING: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}

_EFFORTS: Final[Mapping[int, Effort]] = {
    v1.REASONING_EFFORT_NONE: "none",
    v1.REASONING_EFFORT_MINIMAL: "minimal",
    v1.REASONING_EFFORT_LOW: "low",
    v1.REASONING_EFFORT_MEDIUM: "medium",
    v1.REASONING_EFFORT_HIGH: "high",
    v1.REASONING_EFFORT_XHIGH: "xhigh",
    v1.REASONING_EFFORT_MAX: "max",
}
_LEVELS: Final[Mapping[Effort, str]] = {
    "none": "LOW",  # the least that all models with levels have; some have no MINIMAL, and none can be switched off
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_BUDGETS: Final[Mapping[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
"""What Google itself makes of these words: https://ai.google.dev/gemini-api/docs/openai, "Thinking"."""
_NO_BUDGET: Final = frozenset({"minimal", "xhigh", "max"})
"""Efforts that have no budget of their own: they get that of "low" or "high"."""
_LEAST_BUDGET: Final = 128
"""Of a model whose thinking can't be switched off (Gemini 2.5 Pro)."""


def generation_config(request: v1.CompleteRequest, deployment: Deployment, left_out: list[str]) -> dict[str, Any]:
    """The members that are set. Raises CapabilityMissing; what has no form goes to `left_out`."""
    config: dict[str, Any] = {}
    if request.HasField("response_format"):
        _add_format(config, request.response_format, left_out)
        _check_tools_beside(request, deployment.capability)
    if request.HasField("sampling"):
        _add_sampling(config, request.sampling)
    if request.HasField("reasoning"):
        thinking = _Thinking(request.reasoning, deployment.capability, left_out).config
        if thinking:
            config["thinkingConfig"] = thinking
    _add_bounds(config, request)
    return config


def _add_bounds(config: dict[str, Any], request: v1.CompleteRequest) -> None:
    if request.HasField("max_output_tokens"):
        config["maxOutputTokens"] = _int32(request.max_output_tokens, "max_output_tokens")
    if request.stop:
        if len(request.stop) > _MAX_STOP:
            raise missing("stop", f"this provider takes at most {_MAX_STOP} stop sequences")
        config["stopSequences"] = list(request.stop)
    if request.HasField("seed"):
        config["seed"] = _int32(request.seed, "seed")
    if request.HasField("logprobs"):
        config["responseLogprobs"] = True
        if request.logprobs.HasField("top"):
            config["logprobs"] = request.logprobs.top


def _add_format(config: dict[str, Any], form: v1.ResponseFormat, left_out: list[str]) -> None:
    kind = form.WhichOneof("kind")
    if kind in ("json", "json_schema"):
        config["responseMimeType"] = "application/json"
    if kind == "json_schema":
        wanted = form.json_schema
        config["responseJsonSchema"] = embedded(wanted.schema)
        # A schema is always held to, and there is no place for what it is called.
        path = "response_format.json_schema"
        left_out += [f"{path}.{field.name}" for field, _ in wanted.ListFields() if field.name != "schema"]


def _check_tools_beside(request: v1.CompleteRequest, capability: Capability | None) -> None:
    """Models without thinking levels take tools or JSON (https://github.com/googleapis/python-genai/issues/867)."""
    kind = request.response_format.WhichOneof("kind")
    if request.tools and kind in ("json", "json_schema") and not takes_levels(capability):
        text = "this model can't be held to JSON while it has tools; leave either out, or ask another model"
        raise missing(f"response_format.{kind}", text)


def _add_sampling(config: dict[str, Any], sampling: v1.Sampling) -> None:
    for field, value in sampling.ListFields():
        if field.name not in _SAMPLING:
            raise missing(f"sampling.{field.name}", "this provider has no such way to sample; leave it out")
        config[_SAMPLING[field.name]] = value


class _Thinking:
    """The thinkingConfig: a level where the model has levels, else a budget. Both together are refused by it."""

    __slots__ = ("_capability", "_left_out", "_reasoning", "config")

    def __init__(self, reasoning: v1.ReasoningConfig, capability: Capability | None, left_out: list[str]) -> None:
        self._reasoning = reasoning
        self._capability = capability or Capability()
        self._left_out = left_out
        self.config: dict[str, Any] = {}
        if self._capability.reasoning is False:
            left_out += [f"reasoning.{field.name}" for field, _ in reasoning.ListFields()]
            return
        self._add_amount()
        if reasoning.summary:
            self.config["includeThoughts"] = reasoning.summary != v1.REASONING_SUMMARY_NONE

    def _add_amount(self) -> None:
        effort = _EFFORTS.get(self._reasoning.effort)
        has_budget = self._reasoning.HasField("budget_tokens")
        if effort and (takes_levels(self._capability) or not has_budget):
            self._add_effort(effort)
            if has_budget:
                self._left_out.append("reasoning.budget_tokens")
        elif has_budget:
            self.config["thinkingBudget"] = _int32(self._reasoning.budget_tokens, "reasoning.budget_tokens")
            if effort:
                self._left_out.append("reasoning.effort")

    def _add_effort(self, effort: Effort) -> None:
        can_be_off = self._capability.reasoning_off == "zero_budget"
        if takes_levels(self._capability) and not (effort == "none" and can_be_off):
            level = _LEVELS[self._capability.nearest_effort(effort) or effort]
            self.config["thinkingLevel"] = level
            as_asked = level == effort.upper()
        elif effort == "none" and not can_be_off and self._capability.reasoning_always:
            self.config["thinkingBudget"] = _LEAST_BUDGET
            as_asked = False
        else:
            self.config["thinkingBudget"] = _BUDGETS[effort]
            as_asked = effort not in _NO_BUDGET
        if not as_asked:
            self._left_out.append("reasoning.effort")


def _int32(value: int, path: str) -> int:
    if not -_MAX_INT32 <= value <= _MAX_INT32:
        raise missing(path, f"this provider takes numbers of up to {_MAX_INT32}")
    return value
