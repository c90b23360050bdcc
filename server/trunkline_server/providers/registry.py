"""The dialects that this build speaks, one row each.

A provider whose servers differ from a dialect in some ways is a row with other quirks. For the configuration the names
stand in config/schema.py too, which says what may be written for each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trunkline_server.core.dialect import Dialect
from trunkline_server.providers.openai import OpenAI, Quirks

__all__ = ["DIALECTS"]

_ALL: Final[tuple[Dialect, ...]] = (
    OpenAI(),
    # llama.cpp's server. It drops tools without a word: with SmolLM2's template they don't reach the prompt, and with a
    # template that writes them there, a call that is required is not enforced (tried with xllamacpp 2026.10.11549).
    # Calls of earlier turns and names of participants don't reach SmolLM2's prompt either (seen in /apply-template). No
    # projector for media is loaded, so that it would answer each with a 500.
    OpenAI(
        Quirks(
            name="local",
            developer_role=False,
            refusal_parts=False,
            media=frozenset(),
            names=False,
            tools=False,
            sampling=Quirks().sampling | {"top_k", "min_p"},
            reasoning_effort=False,
            cache_key=False,
            cache_breakpoints_since=None,
            max_stop=16,
        )
    ),
)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({each.name: each for each in _ALL})
"""By name; the configuration and validation are checked against it."""
