"""Providers that serve models of others, one row each."""

from typing import Final

from trunkline_server.core.account import Account, Setting, Settings
from trunkline_server.providers.openai.quirks import Quirks, ReasoningWords, Vectors
from trunkline_server.providers.openai.rows import CHECKED, hosted, row

__all__ = ["HOSTED"]

_PENALTIES: Final = Quirks().sampling
_ENGINE: Final = _PENALTIES | {"top_k", "min_p"}
_CHOICES: Final = frozenset({"auto", "none", "required", "named"})
_PICTURES: Final = frozenset({"pictures"})
_FILMS: Final = frozenset({"pictures", "films"})

# Usage comes in x_groq with the last chunk. A model that writes its thoughts into the text needs reasoning_format
# "parsed", which others refuse: it may be given in provider_options.
_GROQ: Final = hosted(
    "Groq",
    "https://api.groq.com/openai/v1",
    "https://console.groq.com/docs/api-reference",
    Quirks(
        name="groq",
        format="groq",
        refusal_parts=False,
        media=_PICTURES,
        reasoning=ReasoningWords(efforts=("none", "low", "medium", "high")),
        replay="reasoning",
        tool_choices=_CHOICES,
        sampling=frozenset({"temperature", "top_p"}),
        logprobs=False,
        stream_options=False,
        cache_key="",
        cache_marks="",
        error_codes=(
            ("tool_use_failed", "UpstreamRejected"),
            ("model_decommissioned", "UpstreamModelNotFound"),
            ("capacity_exceeded", "UpstreamOverloaded"),
        ),
        vectors=None,
    ),
)

# Log probabilities have a form of their own there: `logprobs` is a number, and the answer holds lists side by side.
_TOGETHER: Final = hosted(
    "Together",
    "https://api.together.ai/v1",
    "https://docs.together.ai/reference/chat-completions",
    Quirks(
        name="together",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        names=False,
        reasoning=ReasoningWords(efforts=("low", "medium", "high"), switch="reasoning.enabled", on=True, off=False),
        tool_choices=_CHOICES,
        parallel_tool_calls=False,
        sampling=_ENGINE,
        logprobs=False,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        finish_reasons=(("eos", "STOP"),),
        refused_options=frozenset({"safety_model", "compliance"}),
        vectors=Vectors(base64=False, dimensions=""),
    ),
)

_FIREWORKS: Final = hosted(
    "Fireworks",
    "https://api.fireworks.ai/inference/v1",
    "https://docs.fireworks.ai/api-reference/post-chatcompletions",
    Quirks(
        name="fireworks",
        format="fireworks",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        reasoning=ReasoningWords(budget="thinking.budget_tokens", budget_with=("thinking.type", "enabled")),
        replay="reasoning_content",
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_tokens_key="max_tokens",
        cache_marks="",
    ),
)

# Comments stand between the events of a stream while it waits for the provider behind it; framing skips them. Usage is
# in every answer, whether asked for or not.
_OPENROUTER: Final = hosted(
    "OpenRouter",
    "https://openrouter.ai/api/v1",
    "https://openrouter.ai/docs/api/api-reference/chat/create-a-chat-completion",
    Quirks(
        name="openrouter",
        format="openrouter",
        media=frozenset({"pictures", "films", "sound", "documents"}),
        media_results=True,
        reasoning=ReasoningWords(effort="reasoning.effort", budget="reasoning.max_tokens", summary="reasoning.summary"),
        replay="reasoning_details",
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_tokens_key="max_tokens",
        cache_marks="cache_control",
        cache_times=True,
        refused_options=frozenset({"plugins", "transforms", "usage", "debug", "trace", "deferred_tools"}),
        error_codes=(("402", "UpstreamQuotaExhausted"), ("502", "UpstreamFailed"), ("503", "UpstreamOverloaded")),
        vectors=Vectors(tasks=(("QUERY", "search_query"), ("DOCUMENT", "search_document"))),
    ),
)

_CEREBRAS: Final = hosted(
    "Cerebras",
    "https://api.cerebras.ai/v1",
    "https://inference-docs.cerebras.ai/api-reference/chat-completions",
    Quirks(
        name="cerebras",
        format="cerebras",
        refusal_parts=False,
        media=_PICTURES,
        reasoning=ReasoningWords(efforts=("none", "low", "medium", "high")),
        replay="reasoning",
        tool_choices=_CHOICES,
        cache_marks="",
        vectors=None,
    ),
)

_NVIDIA: Final = hosted(
    "NVIDIA NIM",
    "https://integrate.api.nvidia.com/v1",
    "https://docs.api.nvidia.com/nim/reference/llm-apis",
    Quirks(
        name="nvidia",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        names=False,
        reasoning=ReasoningWords(efforts=("low", "medium", "high")),
        tool_choices=_CHOICES,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(tasks=(("QUERY", "query"), ("DOCUMENT", "passage")), truncate=("END", "NONE")),
    ),
    unsure="much: every model has an API page of its own, so what one model takes stands for all.",
)

_SAMBANOVA: Final = hosted(
    "SambaNova",
    "https://api.sambanova.ai/v1",
    "https://docs.sambanova.ai/docs/en/features/openai-compatibility",
    Quirks(
        name="sambanova",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        names=False,
        reasoning=ReasoningWords(efforts=("low", "medium", "high")),
        tool_choices=_CHOICES,
        sampling=frozenset({"temperature", "top_p", "top_k"}),
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(dimensions=""),
    ),
    unsure="pictures and films by address: the `sambanova` package 1.13 says of pictures that data alone is taken now.",
)

# A router to many others: what a model can do depends on who serves it.
_HUGGING_FACE: Final = hosted(
    "Hugging Face",
    "https://router.huggingface.co/v1",
    "https://huggingface.co/docs/inference-providers/tasks/chat-completion",
    Quirks(
        name="huggingface",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        tool_choices=_CHOICES,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        finish_reasons=(("eos", "STOP"), ("eos_token", "STOP")),
        vectors=None,
    ),
    unsure="what any model takes: that is up to who serves it.",
)

_NEBIUS: Final = hosted(
    "Nebius Token Factory",
    "https://api.tokenfactory.nebius.com/v1",
    "https://docs.tokenfactory.nebius.com/api-reference/inference/create-chat-completion",
    Quirks(
        name="nebius",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False),
    ),
    unsure="top_k, min_p, seed and parallel_tool_calls, which the page does not list: they are sent.",
)

_PARASAIL: Final = hosted(
    "Parasail",
    "https://api.parasail.io/v1",
    "https://docs.parasail.io/parasail-docs/api-reference/authentication",
    Quirks(
        name="parasail",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        tool_choices=_CHOICES,
        sampling=_ENGINE,
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False),
    ),
    unsure="everything but the address: the page says only that it speaks as OpenAI does. Others say: no vectors.",
)


def _databricks_url(settings: Settings) -> str:
    return f"https://{settings['host']}/serving-endpoints"


# Claude's thoughts are parts of the content, with their signatures.
_DATABRICKS: Final = row(
    Account(
        dialect="databricks",
        title="Databricks",
        base_url=_databricks_url,
        key="needed",
        settings=(
            Setting(
                name="host",
                required=True,
                pattern=r"[A-Za-z0-9][A-Za-z0-9.-]{0,251}[A-Za-z0-9]",
                example="dbc-a1b2345c-d6e7.cloud.databricks.com",
            ),
        ),
        source="https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
        checked=CHECKED,
        unsure="that prompt_tokens include cached ones, and how many texts a request for vectors holds: 150 are sent.",
    ),
    Quirks(
        name="databricks",
        format="databricks",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        names=False,
        reasoning=ReasoningWords(
            efforts=("low", "medium", "high"),
            budget="thinking.budget_tokens",
            budget_with=("thinking.type", "enabled"),
        ),
        replay="summary",
        tool_choices=_CHOICES,
        parallel_tool_calls=False,
        sampling=frozenset({"temperature", "top_p", "top_k"}),
        seed="",
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="cache_control",
        vectors=Vectors(most_inputs=150, base64=False, dimensions=""),
    ),
)

HOSTED: Final = (
    _GROQ,
    _TOGETHER,
    _FIREWORKS,
    _OPENROUTER,
    _CEREBRAS,
    _NVIDIA,
    _SAMBANOVA,
    _HUGGING_FACE,
    _NEBIUS,
    _PARASAIL,
    _DATABRICKS,
)
