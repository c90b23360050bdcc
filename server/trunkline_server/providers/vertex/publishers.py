"""Whose model a name is, and where it stands in URLs. Plain data and strings.

upstream_model                            speaks         at
gemini-3.5-flash, google/gemini-...       Gemini         publishers/google/models/gemini-3.5-flash
claude-sonnet-4-5, anthropic/claude-...   Claude         publishers/anthropic/models/claude-sonnet-4-5
codestral-2, mistralai/mistral-medium-3   Mistral's chat publishers/mistralai/models/codestral-2
meta/llama-..., qwen/..., openai/...      chat           endpoints/openapi/chat/completions
publishers/NAME/models/MODEL              as NAME says
endpoints/123                             Gemini         endpoints/123, a tuned model
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote

from trunkline_server.core.account import Settings

__all__ = ["Model", "model_of", "parent"]

Speaks = Literal["gemini", "claude", "mistral", "chat"]

_BY_PUBLISHER: Final[Mapping[str, Speaks]] = {"google": "gemini", "anthropic": "claude", "mistralai": "mistral"}
"""Models of any other speak OpenAI's chat."""
_BY_START: Final = (("claude-", "anthropic"), ("mistral-", "mistralai"), ("codestral-", "mistralai"))
"""Publishers of names without one. Any other is Google's."""
_WHOLE: Final = re.compile(r"publishers/([^/]+)/models/([^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is served here."""

    speaks: Speaks
    name: str
    """As its publisher calls it; with the publisher before it where chat names it so."""
    path: str
    """Below the project and location."""


@lru_cache(maxsize=1024)
def model_of(upstream_model: str) -> Model:
    """The model of this name."""
    publisher, name = _split(upstream_model)
    if publisher == "endpoints":
        return Model(speaks="gemini", name=name, path=f"endpoints/{_quoted(name)}")
    speaks = _BY_PUBLISHER.get(publisher, "chat")
    if speaks == "chat":
        return Model(speaks=speaks, name=f"{publisher}/{name}", path="endpoints/openapi")
    return Model(speaks=speaks, name=name, path=f"publishers/{publisher}/models/{_quoted(name)}")


def _split(upstream_model: str) -> tuple[str, str]:
    """Publisher and name."""
    if whole := _WHOLE.fullmatch(upstream_model):
        return whole[1], whole[2]
    publisher, slash, name = upstream_model.partition("/")
    if slash:
        return publisher, name
    owner = next((owner for start, owner in _BY_START if upstream_model.startswith(start)), "google")
    return owner, upstream_model


def parent(settings: Settings) -> str:
    """The path of project and location; empty without a project, as in express mode."""
    project = str(settings.get("project", ""))
    if not project:
        return ""
    return f"/projects/{quote(project, safe=':')}/locations/{quote(str(settings.get('location', 'global')), safe='')}"


def _quoted(name: str) -> str:
    return quote(name, safe="@")
