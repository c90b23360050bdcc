"""Servers that people run themselves, one row each. What they serve is up to whoever runs them, so little is refused.

Addresses are where each listens unless it is told otherwise, on the same machine.
"""

from typing import Final

from trunkline_server.core.account import Account
from trunkline_server.providers.openai.quirks import Quirks, ReasoningWords, Vectors
from trunkline_server.providers.openai.rows import row

__all__ = ["SELF_HOSTED"]

_PENALTIES: Final = Quirks().sampling
_ENGINE: Final = _PENALTIES | {"top_k", "min_p"}
_CHOICES: Final = frozenset({"auto", "none", "required", "named"})

_OLLAMA: Final = row(
    Account(
        dialect="ollama",
        title="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        source="https://docs.ollama.com/api/openai-compatibility",
        checked="2026-11-23",
    ),
    # The members it knows are those of ChatCompletionRequest in openai/openai.go; it drops all others without a word,
    # tool_choice among them. Pictures are read from data URLs only.
    Quirks(
        name="ollama",
        format="ollama",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures"}),
        media_uris=False,
        names=False,
        reasoning=ReasoningWords(efforts=("none", "low", "medium", "high", "max")),
        replay="reasoning",
        tool_choices=frozenset(),
        parallel_tool_calls=False,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
    ),
)

_VLLM: Final = row(
    Account(
        dialect="vllm",
        title="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        checked="2026-11-23",
    ),
    Quirks(
        name="vllm",
        format="vllm",
        refusal_parts=False,
        media=frozenset({"pictures", "films", "sound"}),
        reasoning=ReasoningWords(efforts=("low", "medium", "high")),
        replay="reasoning",
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_stop=None,
        cache_key="",
        cache_marks="",
        failures=(("error", "UpstreamFailed"), ("abort", "UpstreamFailed")),
    ),
)

_SGLANG: Final = row(
    Account(
        dialect="sglang",
        title="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        source="https://docs.sglang.ai/basic_usage/openai_api_completions.html",
        checked="2026-11-23",
    ),
    Quirks(
        name="sglang",
        format="sglang",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures", "films"}),
        names=False,
        replay="reasoning_content",
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_stop=None,
        cache_key="",
        cache_marks="",
        failures=(("error", "UpstreamFailed"), ("abort", "UpstreamFailed")),
        vectors=Vectors(base64=False),
    ),
)

_LM_STUDIO: Final = row(
    Account(
        dialect="lmstudio",
        title="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        source="https://lmstudio.ai/docs/developer/openai-compat",
        checked="2026-11-23",
        unsure="which members it passes over without a word: it names those that it takes.",
    ),
    Quirks(
        name="lmstudio",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures"}),
        media_uris=False,
        names=False,
        reasoning=ReasoningWords(efforts=("none", "low", "medium", "high", "xhigh")),
        tool_choices=frozenset({"auto", "none", "required"}),
        parallel_tool_calls=False,
        formats=frozenset({"json_schema"}),
        sampling=_PENALTIES | {"top_k"},
        logprobs=False,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False, dimensions=""),
    ),
)

_LLAMA_CPP: Final = row(
    Account(
        dialect="llamacpp",
        title="llama.cpp's server",
        base_url="http://127.0.0.1:8080/v1",
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        checked="2026-11-23",
        verified="run",
    ),
    Quirks(
        name="llamacpp",
        format="llamacpp",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures", "sound"}),
        names=False,
        reasoning=ReasoningWords(effort=""),
        replay="reasoning_content",
        tool_choices=frozenset({"auto", "none", "required"}),
        sampling=_ENGINE,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(dimensions=""),
    ),
)

_LITELLM: Final = row(
    Account(
        dialect="litellm",
        title="LiteLLM's proxy",
        base_url="http://127.0.0.1:4000/v1",
        source="https://docs.litellm.ai/docs/reasoning_content",
        checked="2026-11-23",
        unsure="what any model takes: that is up to who serves it, and to drop_params of the proxy.",
    ),
    Quirks(
        name="litellm",
        format="litellm",
        media=frozenset({"pictures", "films", "sound", "documents"}),
        media_results=True,
        reasoning=ReasoningWords(budget="thinking.budget_tokens", budget_with=("thinking.type", "enabled")),
        replay="thinking_blocks",
        tool_choices=_CHOICES,
        sampling=_PENALTIES | {"top_k"},
        cache_marks="cache_control",
        cache_times=True,
        refused_options=frozenset(
            {
                "mock_response",
                "mock_timeout",
                "num_retries",
                "timeout",
                "caching",
                "cache",
                "guardrails",
                "prompt_id",
                "context_window_fallback_dict",
                "tags",
            }
        ),
    ),
)

# llama.cpp's server, as our own child process. It drops tools without a word: with SmolLM2's template they don't reach
# the prompt, and with a template that writes them there, a call that is required is not enforced (tried with xllamacpp
# 2026.10.11549). Calls of earlier turns and names of participants don't reach SmolLM2's prompt either (seen in
# /apply-template). No projector for media is loaded, so that it would answer each with a 500.
_LOCAL: Final = row(
    Account(dialect="local", title="The embedded model", checked="2026-11-23", verified="run"),
    Quirks(
        name="local",
        developer_role=False,
        refusal_parts=False,
        media=frozenset(),
        names=False,
        reasoning=ReasoningWords(effort=""),
        tools=False,
        sampling=_ENGINE,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=None,
    ),
)

SELF_HOSTED: Final = (_OLLAMA, _VLLM, _SGLANG, _LM_STUDIO, _LLAMA_CPP, _LITELLM, _LOCAL)
