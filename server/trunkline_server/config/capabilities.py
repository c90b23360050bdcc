"""What may be written of a model's capabilities, in the table that is built in and in trunkline.yaml alike.

A key that is not written is not known; what an operator writes replaces the table's, key by key.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trunkline_server.config.interpolate import Filled
from trunkline_server.config.problems import wrong
from trunkline_server.core.capability import (
    EFFORTS,
    Capability,
    Effort,
    Kind,
    Modality,
    PromptCache,
    ReasoningControl,
    ReasoningOff,
    SamplingLimit,
)

__all__ = ["CapabilityEntry", "capability_from"]

MAX_TOKENS: Final = 1_000_000_000
MAX_DIMENSIONS: Final = 1_000_000
_MAX_DIGITS: Final = 10

_OF_REASONING: Final = (
    "default_effort",
    "efforts",
    "reasoning_always",
    "reasoning_controls",
    "reasoning_off",
    "tools_while_reasoning",
)

_Word = TypeVar("_Word", bound=str)


def _listed(value: object) -> object:
    # Strict models take a tuple for a tuple; YAML and JSON give lists.
    return tuple(value) if isinstance(value, list) else value


def _once(words: tuple[_Word, ...]) -> tuple[_Word, ...]:
    if len(set(words)) < len(words):
        raise wrong("has a word twice", "Keep one of the two")
    return words


def _some(words: tuple[_Word, ...]) -> tuple[_Word, ...]:
    if not words:
        raise wrong("empty", "Name at least one, or take the key out")
    return words


def _ordered(words: tuple[Effort, ...]) -> tuple[Effort, ...]:
    return tuple(effort for effort in EFFORTS if effort in words)


def _filled(value: object) -> object:
    # What comes from a variable is text; what was written as text stays text and is refused.
    if not isinstance(value, Filled):
        return value
    if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    return {"true": True, "false": False}.get(value, value)


_Words = Annotated[tuple[_Word, ...], BeforeValidator(_listed), AfterValidator(_once)]
_SomeWords = Annotated[_Words[_Word], AfterValidator(_some)]
_Tokens = Annotated[int, BeforeValidator(_filled), Field(ge=1, le=MAX_TOKENS)]
_Truth = Annotated[bool, BeforeValidator(_filled)]


class CapabilityEntry(BaseModel):
    """Facts of one model; core.capability.Capability says what each means."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    kind: Kind | None = None
    context_tokens: _Tokens | None = None
    max_output_tokens: _Tokens | None = None
    input: _SomeWords[Modality] | None = None
    output: _SomeWords[Modality] | None = None
    host_reads_documents: _Truth | None = None
    tools: _Truth | None = None
    tools_while_reasoning: _Truth | None = None
    forced_tools: _Truth | None = None
    parallel_tools: _Truth | None = None
    later_instructions: _Truth | None = None
    counts_tokens: _Truth | None = None
    json_object: _Truth | None = None
    json_schema: _Truth | None = None
    json_by_tool: _Truth | None = None
    logprobs: _Truth | None = None
    reasoning: _Truth | None = None
    reasoning_always: _Truth | None = None
    reasoning_off: ReasoningOff | None = None
    reasoning_controls: _SomeWords[ReasoningControl] | None = None
    efforts: Annotated[_SomeWords[Effort], AfterValidator(_ordered)] | None = None
    default_effort: Effort | None = None
    sampling_limits: _Words[SamplingLimit] | None = None
    prompt_cache: _Words[PromptCache] | None = None
    dimensions: Annotated[int, BeforeValidator(_filled), Field(ge=1, le=MAX_DIMENSIONS)] | None = None
    shortens: _Truth | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is written, by the names of Capability's fields."""
        return {name: value for name, value in self if name in CapabilityEntry.model_fields and value is not None}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.reasoning is False:
            for key in _OF_REASONING:
                if getattr(self, key) is not None:
                    raise wrong("says how it reasons, and `reasoning` says that it does not", "Keep one of the two")
        if self.context_tokens and self.max_output_tokens and self.max_output_tokens > self.context_tokens:
            raise wrong("max_output_tokens is more than context_tokens", "The context holds input and output together")
        return self


def capability_from(facts: Mapping[str, Any], *, checked: str = "", source: str = "") -> Capability:
    """The capability that these facts make, by the names of its fields."""
    given = dict(facts)
    for key in ("input", "output"):
        if key in given:
            given[key] = frozenset(given[key])
    if given.get("reasoning") is False:
        for key in _OF_REASONING:
            given.pop(key, None)
    context, output = given.get("context_tokens"), given.get("max_output_tokens")
    if context and output and output > context:  # an operator who states a small context means the output too
        given["max_output_tokens"] = context
    return Capability(**given, checked=checked, source=source)
