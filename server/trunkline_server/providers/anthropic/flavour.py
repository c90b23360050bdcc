"""What differs between endpoints that speak Anthropic's messages, as data.

A near-twin is a dialect with another flavour; what this can't say overrides one of the small methods of
dialect.Anthropic. Free of protobuf: the supervisor reads these too.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["FORMAT", "Flavour"]

FORMAT: Final = "anthropic"
"""Origin.format of what is made in it, whichever endpoint made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One endpoint's ways. The defaults are Anthropic's own."""

    name: str = "anthropic"
    """The dialect's name, in the configuration and in provider_options."""
    path: str = "/messages"
    """What is added to the provider's base path."""
    count_path: str = "/messages/count_tokens"
    """The same for counting. Empty: the endpoint counts nothing."""
    model_in_body: bool = True
    """Whether the model is a member of the body. If not, the path says it."""
    stream_in_body: bool = True
    """Whether the body asks for a stream. If not, the path does."""
    version_in_body: str = ""
    """The body's anthropic_version: "vertex-2023-10-16". Empty: a header says the version."""
    betas_in_body: bool = False
    """Whether betas are a list in the body. If not, they are a header."""
    automatic_cache: bool = True
    """Whether the endpoint places a cache mark by itself when asked. If not, cache.ttl is left out."""
    later_instructions: bool = True
    """Whether instructions may stand between turns. If not, they are refused."""
    files: bool = True
    """Whether the endpoint keeps files that are named by their id."""
    addresses: bool = True
    """Whether the endpoint fetches what is given by address."""
