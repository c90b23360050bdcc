"""The dialect of the local model: llama.cpp's server, a near-twin of OpenAI's chat completions."""

from typing import ClassVar

from trunkline_server.providers.openai import OpenAI, Quirks

__all__ = ["Local"]


class Local(OpenAI):
    """llama.cpp's server."""

    quirks: ClassVar[Quirks] = Quirks(
        name="local",
        developer_role=False,
        refusal_parts=False,
        files=False,
        tool_choice_objects=False,
        sampling=Quirks().sampling | {"top_k", "min_p"},
        reasoning_effort=False,
        cache_key=False,
        cache_breakpoints_since=None,
        max_stop=16,
    )
