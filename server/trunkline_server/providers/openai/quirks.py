"""What differs between providers that speak OpenAI's chat completions, as data.

A near-twin is a dialect with another table; only what a table can't say needs a method of its own. Free of protobuf:
the supervisor reads these too.
"""

from dataclasses import dataclass

__all__ = ["Quirks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """One provider's ways. The defaults are OpenAI's own."""

    name: str = "openai"
    """The dialect's name, in the configuration and in provider_options."""
    path: str = "/chat/completions"
    """What is added to the provider's base path."""
    developer_role: bool = True
    """Whether developer turns are told from system turns. If not, both are sent as system turns."""
    refusal_parts: bool = True
    """Whether refusals in the history have a content part of their own. If not, they are sent as text."""
    media: frozenset[str] = frozenset({"pictures", "sound", "documents"})
    """Which media a user's turn may hold. If none, media are refused as a whole."""
    names: bool = True
    """Whether names of participants reach the model. If not, they are left out."""
    tools: bool = True
    """Whether tools reach the model. If not, they and rules for them are refused, and calls of earlier turns left
    out."""
    tool_choice_objects: bool = True
    """Whether tool_choice may be an object. If not, tools that are not allowed are not sent at all."""
    sampling: frozenset[str] = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})
    """Fields of Sampling that are sent; they have the same names on the wire. The others are refused, since they would
    change the answer; provider_options may carry them, as they may carry all that is not written (options.py)."""
    reasoning_effort: bool = True
    """Whether reasoning.effort is sent. If not, it is left out."""
    cache_key: bool = True
    """Whether cache.key is sent. If not, it is left out."""
    cache_breakpoints_since: tuple[int, int] | None = (5, 6)
    """The first GPT version that takes cache breakpoints. Earlier ones refuse the call for them, so hints to these are
    left out. None: no model takes any."""
    max_stop: int = 4
    """Most stop sequences."""
    max_tokens_key: str = "max_completion_tokens"
    """Name of the output bound in the body, unless the configuration gives another."""
    finish_reasons: tuple[tuple[str, str], ...] = ()
    """Native finish reasons beside OpenAI's own, and the name of ours without its prefix: ("eos", "STOP"). Any other is
    OTHER."""
