"""What differs between the vendors whose models Bedrock serves, as data.

Converse is one interface for all of them, but for members that it hands on to the model unread
(additionalModelRequestFields): how these are spelt depends on the vendor. The vendor stands in the id of a model; an id
that does not tell it (the ARN of an application's own profile) is taken for Anthropic's, whose spelling most models on
Bedrock have.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Family", "family_of", "foundation_model"]

Thinking = Literal["", "thinking", "reasoningConfig", "reasoning_effort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One vendor's ways."""

    vendor: str
    top_k: tuple[str, ...] = ()
    """Path of top_k in the members handed on. Empty: the models have none."""
    thinking: Thinking = ""
    """The member that steers reasoning. Empty: there is none."""
    tool_choice: bool = False
    """Whether Anthropic's own tool_choice may be handed on, for what Converse has no word for."""
    forced_while_thinking: bool = True
    """Whether a tool may be forced while the model reasons."""
    later_instructions: bool = False
    """Whether instructions may stand behind a user's turn."""
    counts: bool = False
    """Whether CountTokens counts for its models."""


# Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and the pages under it;
# https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html;
# https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html;
# https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages;
# https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html. Read in November 2026.
_ANTHROPIC: Final = Family(
    vendor="anthropic",
    top_k=("top_k",),
    thinking="thinking",
    tool_choice=True,
    forced_while_thinking=False,
    later_instructions=True,
    counts=True,
)
_FAMILIES: Final = {
    family.vendor: family
    for family in (
        _ANTHROPIC,
        Family(vendor="amazon", top_k=("inferenceConfig", "topK"), thinking="reasoningConfig"),
        Family(vendor="cohere", top_k=("k",)),
        Family(vendor="mistral", top_k=("top_k",)),
        Family(vendor="openai", thinking="reasoning_effort"),
    )
}

_PLACE: Final = re.compile(r"^(?:[a-z]{2}|apac|amer|global|us-gov)\.(?=[a-z0-9]+\.)")
"""What a profile over several regions has before the model's own id: "us.anthropic.claude-opus-5"."""
_NAMED_IN_ARN: Final = frozenset({"foundation-model", "inference-profile"})
"""Resources whose ARN ends in a model's id."""


@lru_cache(maxsize=1024)
def family_of(upstream_model: str) -> Family:
    """The ways of a model's vendor; those of a vendor that is not in the table have nothing of their own."""
    vendor, dot, _ = foundation_model(upstream_model).partition(".")
    return _FAMILIES.get(vendor, Family(vendor=vendor)) if dot else _ANTHROPIC


@lru_cache(maxsize=1024)
def foundation_model(upstream_model: str) -> str:
    """The id of the model itself, without the profile it is asked through; empty where an ARN does not tell it."""
    name = upstream_model
    if upstream_model.startswith("arn:"):
        kind, _, name = upstream_model.split(":", 5)[-1].partition("/")
        if kind not in _NAMED_IN_ARN:
            return ""
    return _PLACE.sub("", name)
