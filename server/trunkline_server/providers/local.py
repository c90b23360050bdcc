"""The dialect of the local model: llama.cpp's server, a near-twin of OpenAI's chat completions.

Tools are refused, because this server drops them without a word: with SmolLM2's template they don't reach the prompt,
and with a template that writes them there, a call that is required is not enforced (tried with xllamacpp
2026.10.11549). Media are refused, because no projector for them is loaded: the server would answer each with a 500.
"""

from typing import ClassVar

from trunkline_server.providers.openai import OpenAI, Quirks

__all__ = ["Local"]


class Local(OpenAI):
    """llama.cpp's server."""

    quirks: ClassVar[Quirks] = Quirks(
        name="local",
        developer_role=False,
        refusal_parts=False,
        media=frozenset(),
        tools=False,
        sampling=Quirks().sampling | {"top_k", "min_p"},
        reasoning_effort=False,
        cache_key=False,
        cache_breakpoints_since=None,
        max_stop=16,
    )
