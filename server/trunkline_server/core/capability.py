"""What a model can do, as data: dialects and routing read it where they would otherwise ask for a model's name.

1. Every fact has three values: it can, it can't, not known. What is not known excludes nothing.
2. Nothing of the contract is imported here, so that processes without gRPC can hold it. Words are those of the
   contract's enums in lower case.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = [
    "EFFORTS",
    "MEDIA",
    "Capability",
    "Effort",
    "Kind",
    "Modality",
    "PromptCache",
    "ReasoningControl",
    "ReasoningOff",
    "SamplingLimit",
]

Kind = Literal["chat", "embedding"]
Modality = Literal["text", "image", "audio", "video", "document"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

ReasoningControl = Literal["effort", "budget", "adaptive", "level", "switch"]
"""How the reasoning of a model is steered on its vendor's own interface.

effort: a word beside the request (reasoning_effort, output_config.effort). budget: a number of tokens. adaptive: the
model decides by itself once it may. level: Gemini's thinking level. switch: on or off, and nothing between.
"""

ReasoningOff = Literal["effort", "disabled", "between_tools", "zero_budget"]
"""effort: the word "none". disabled, between_tools: that type of Claude's thinking; zero_budget: a budget of 0."""

SamplingLimit = Literal["refused", "temperature_or_top_p", "not_while_reasoning"]
"""What a model does not take of temperature, top_p and the like.

refused: any value but the default. temperature_or_top_p: both together. not_while_reasoning: any while it reasons.
"""

PromptCache = Literal["automatic", "marks", "breakpoints", "key"]
"""How prompts get cached.

automatic: without being asked. marks: up to the blocks that are marked, and not otherwise. breakpoints: marks steer
a cache that is automatic. key: calls with the same key share a cache.
"""

EFFORTS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From the least to the most."""
MEDIA: Final[frozenset[Modality]] = frozenset({"image", "audio", "video", "document"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What one model can do at one deployment. None, and the empty tuple for words: not known."""

    kind: Kind | None = None
    """What it is asked for: answers or vectors."""
    context_tokens: int | None = None
    """Most tokens of input and output together; of an embedding model the longest input."""
    max_output_tokens: int | None = None
    """Most tokens of output, reasoning included."""
    input: frozenset[Modality] | None = None
    """All that it takes."""
    output: frozenset[Modality] | None = None
    """All that it gives."""
    host_reads_documents: bool | None = None
    """True where the host may turn documents into text before the model sees them, whatever the model itself takes."""
    tools: bool | None = None
    tools_while_reasoning: bool | None = None
    """False where it takes functions only in requests that switch its reasoning off."""
    forced_tools: bool | None = None
    """Whether it can be made to call a tool."""
    parallel_tools: bool | None = None
    """Whether it may call several tools in one turn."""
    later_instructions: bool | None = None
    """Whether instructions may stand behind other turns."""
    counts_tokens: bool | None = None
    """Whether the provider counts tokens for it, where the dialect can ask."""
    json_object: bool | None = None
    """Whether it can be held to JSON of any shape."""
    json_schema: bool | None = None
    """Whether it can be held to a schema."""
    json_by_tool: bool | None = None
    """True where the dialect can have the answer as the arguments of a tool that must be called, if need be."""
    logprobs: bool | None = None
    reasoning: bool | None = None
    reasoning_always: bool | None = None
    """True if its reasoning can't be switched off."""
    reasoning_off: ReasoningOff | None = None
    """How its vendor's own interface switches reasoning off."""
    reasoning_controls: tuple[ReasoningControl, ...] = ()
    efforts: tuple[Effort, ...] = ()
    """The words that it takes for effort or level, from the least to the most."""
    default_effort: Effort | None = None
    """The word that holds where the request has none."""
    sampling_limits: tuple[SamplingLimit, ...] | None = None
    """Empty: it takes every way of sampling that its dialect has."""
    prompt_cache: tuple[PromptCache, ...] | None = None
    """Empty: it has no prompt cache."""
    dimensions: int | None = None
    """Length of the vectors that an embedding model gives if it is not asked for another."""
    shortens: bool | None = None
    """Whether an embedding model gives shorter vectors when asked."""
    price_version: str = ""
    """Version of its entry in the price table. Empty: no price is known."""
    checked: str = ""
    """Month in which the facts were checked: "2026-11". Empty for what an operator states."""
    source: str = ""
    """Where they were found."""

    refused_media: frozenset[Modality] = field(init=False, default=frozenset())
    """Media that are known not to be taken. Empty where it is not known what is taken."""

    def __post_init__(self) -> None:
        if self.input is not None:
            spared: frozenset[Modality] = frozenset({"document"}) if self.host_reads_documents else frozenset()
            object.__setattr__(self, "refused_media", MEDIA - self.input - spared)

    def nearest_effort(self, wanted: Effort) -> Effort | None:
        """The effort that this model takes and that is nearest to the one wanted, the lesser of two as near.

        None where its words are not known. "none" stands for itself alone: a model without that word reasons as little
        as it can.
        """
        if not self.efforts or wanted in self.efforts:
            return wanted if self.efforts else None
        place = EFFORTS.index(wanted)
        thinking: list[Effort] = [effort for effort in self.efforts if effort != "none"]
        return min(thinking or self.efforts, key=lambda effort: abs(EFFORTS.index(effort) - place))
