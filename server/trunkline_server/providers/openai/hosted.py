"""Providers whose models one pays for, one row each."""

from typing import Final

from trunkline_server.core.account import Account, DialectRow, Setting, Settings
from trunkline_server.providers.openai.quirks import Quirks, ReasoningWords, Vectors
from trunkline_server.providers.openai.rows import row

__all__ = ["HOSTED"]

_CHECKED: Final = "2026-11-23"
_PENALTIES: Final = Quirks().sampling
_ENGINE: Final = _PENALTIES | {"top_k", "min_p"}
_CHOICES: Final = frozenset({"auto", "none", "required", "named"})
_PICTURES: Final = frozenset({"pictures"})
_FILMS: Final = frozenset({"pictures", "films"})


def _hosted(account_title: str, base_url: str, source: str, quirks: Quirks) -> DialectRow:
    account = Account(
        dialect=quirks.name,
        title=account_title,
        base_url=base_url,
        key="needed",
        source=source,
        checked=_CHECKED,
    )
    return row(account, quirks)


# Members beyond those it knows are refused with 422, so only what ChatCompletionRequest of `mistralai` 3.7.0 has is
# sent; usage comes with the last chunk unasked.
_MISTRAL: Final = _hosted(
    "Mistral",
    "https://api.mistral.ai/v1",
    "https://docs.mistral.ai/api",
    Quirks(
        name="mistral",
        format="mistral",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        names=False,
        replay="thinking",
        tool_choices=_CHOICES,
        short_tool_ids=9,
        sampling=_PENALTIES | {"top_k"},
        seed="random_seed",
        max_stop=16,
        max_tokens_key="max_tokens",
        stream_options=False,
        cache_marks="",
        refused_options=frozenset({"prediction", "guardrails"}),
        finish_reasons=(("model_length", "LENGTH"),),
        error_codes=(("invalid_model", "UpstreamModelNotFound"),),
        vectors=Vectors(
            dimensions="output_dimension",
            dtypes=(("INT8", "int8"), ("UINT8", "uint8"), ("BINARY", "ubinary")),
        ),
    ),
)

# Usage comes in x_groq with the last chunk. A model that writes its thoughts into the text needs reasoning_format
# "parsed", which others refuse: it may be given in provider_options.
_GROQ: Final = _hosted(
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

# Turns with tool calls have to bring their reasoning_content back, or the call is refused; elsewhere it is ignored. Any
# word for how much is taken, and mapped there: medium to high, for one.
_DEEPSEEK: Final = _hosted(
    "DeepSeek",
    "https://api.deepseek.com",
    "https://api-docs.deepseek.com/guides/thinking_mode",
    Quirks(
        name="deepseek",
        format="deepseek",
        developer_role=False,
        refusal_parts=False,
        media=frozenset(),
        reasoning=ReasoningWords(switch="thinking.type", on=""),
        replay="reasoning_content",
        tool_choices=_CHOICES,
        parallel_tool_calls=False,
        formats=frozenset({"json_object"}),
        seed="",
        max_stop=16,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        failures=(("error", "UpstreamFailed"), ("insufficient_system_resource", "UpstreamOverloaded")),
        vectors=None,
    ),
)

_XAI: Final = _hosted(
    "xAI",
    "https://api.x.ai/v1",
    "https://docs.x.ai/developers/rest-api-reference/inference/chat",
    Quirks(
        name="xai",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        tool_choices=_CHOICES,
        cache_key="",
        cache_header="x-grok-conv-id",
        cache_marks="",
        reasoning_tokens="by_total",
        refused_options=frozenset({"deferred", "search_parameters"}),
        vectors=None,
    ),
)

# Log probabilities have a form of their own there: `logprobs` is a number, and the answer holds lists side by side.
_TOGETHER: Final = _hosted(
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
        max_stop=16,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        finish_reasons=(("eos", "STOP"),),
        refused_options=frozenset({"safety_model", "compliance"}),
        vectors=Vectors(base64=False, dimensions=""),
    ),
)

_FIREWORKS: Final = _hosted(
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
        cache_key="prompt_cache_isolation_key",
        cache_marks="",
    ),
)

# Comments stand between the events of a stream while it waits for the provider behind it; framing skips them. Usage is
# in every answer, whether asked for or not.
_OPENROUTER: Final = _hosted(
    "OpenRouter",
    "https://openrouter.ai/api/v1",
    "https://openrouter.ai/docs/api/api-reference/chat/create-a-chat-completion",
    Quirks(
        name="openrouter",
        format="openrouter",
        media=frozenset({"pictures", "films", "sound", "documents"}),
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

# Every chunk of a stream names all sources so far and the usage so far. JSON of any shape is asked for as a schema.
_PERPLEXITY: Final = _hosted(
    "Perplexity",
    "https://api.perplexity.ai",
    "https://docs.perplexity.ai/api-reference/chat-completions-post",
    Quirks(
        name="perplexity",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        names=False,
        reasoning=ReasoningWords(efforts=("minimal", "low", "medium", "high")),
        tool_choices=frozenset({"auto", "none", "required"}),
        formats=frozenset({"json_schema"}),
        sampling=_PENALTIES | {"top_k"},
        seed="",
        logprobs=False,
        max_stop=16,
        max_tokens_key="max_tokens",
        stream_options=False,
        cache_key="",
        cache_marks="",
        reasoning_tokens="outside",
        refused_options=frozenset({"stream_mode", "use_threads", "thread_id", "file_workspace_id", "search_tenant"}),
        vectors=Vectors(
            path="/v1/embeddings",
            most_inputs=512,
            base64=False,
            floats=False,
            dtypes=(("INT8", "base64_int8"), ("BINARY", "base64_binary")),
            dtype="encoding_format",
        ),
    ),
)

_CEREBRAS: Final = _hosted(
    "Cerebras",
    "https://api.cerebras.ai/v1",
    "https://inference-docs.cerebras.ai/api-reference/chat-completions",
    Quirks(
        name="cerebras",
        format="cerebras",
        refusal_parts=False,
        media=frozenset(),
        reasoning=ReasoningWords(efforts=("none", "low", "medium", "high")),
        replay="reasoning",
        tool_choices=_CHOICES,
        cache_key="",
        cache_marks="",
        vectors=None,
    ),
)

_NVIDIA: Final = _hosted(
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
        max_stop=16,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(tasks=(("QUERY", "query"), ("DOCUMENT", "passage")), truncate=("END", "NONE")),
    ),
)

_SAMBANOVA: Final = _hosted(
    "SambaNova",
    "https://api.sambanova.ai/v1",
    "https://docs.sambanova.ai/docs/en/features/openai-compatibility",
    Quirks(
        name="sambanova",
        developer_role=False,
        refusal_parts=False,
        media=_PICTURES,
        names=False,
        reasoning=ReasoningWords(efforts=("low", "medium", "high")),
        tool_choices=_CHOICES,
        sampling=frozenset({"temperature", "top_p", "top_k"}),
        seed="",
        logprobs=False,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False, dimensions=""),
    ),
)

# A router to many others: what a model can do depends on who serves it.
_HUGGING_FACE: Final = _hosted(
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
)

_NEBIUS: Final = _hosted(
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
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False),
    ),
)

_PARASAIL: Final = _hosted(
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
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        vectors=Vectors(base64=False),
    ),
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
        checked=_CHECKED,
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

# Kimi takes no sampling but its own; a call that asks for another is refused there, not here: models differ.
_MOONSHOT: Final = _hosted(
    "Moonshot",
    "https://api.moonshot.ai/v1",
    "https://platform.kimi.ai/docs/api/chat",
    Quirks(
        name="moonshot",
        format="moonshot",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        media_uris=False,
        reasoning=ReasoningWords(efforts=("low", "high", "max"), switch="thinking.type", on=""),
        replay="reasoning_content",
        tool_choices=frozenset({"auto", "none"}),
        parallel_tool_calls=False,
        seed="",
        logprobs=False,
        max_stop=5,
        cache_key="",
        cache_marks="",
        error_codes=(
            ("exceeded_current_quota_error", "UpstreamQuotaExhausted"),
            ("engine_overloaded_error", "UpstreamOverloaded"),
            ("rate_limit_reached_error", "UpstreamRateLimited"),
            ("resource_not_found_error", "UpstreamModelNotFound"),
            ("invalid_authentication_error", "UpstreamAuthFailed"),
            ("content_filter", "UpstreamContentPolicy"),
        ),
        vectors=None,
    ),
)

_ZAI: Final = _hosted(
    "Z.ai",
    "https://api.z.ai/api/paas/v4",
    "https://docs.z.ai/api-reference/llm/chat-completion",
    Quirks(
        name="zai",
        format="zai",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        names=False,
        reasoning=ReasoningWords(switch="thinking.type"),
        replay="reasoning_content",
        tool_choices=frozenset({"auto"}),
        parallel_tool_calls=False,
        formats=frozenset({"json_object"}),
        sampling=frozenset({"temperature", "top_p"}),
        seed="",
        logprobs=False,
        max_stop=1,
        max_tokens_key="max_tokens",
        stream_options=False,
        cache_key="",
        cache_marks="",
        finish_reasons=(("sensitive", "CONTENT_FILTER"), ("model_context_window_exceeded", "LENGTH")),
        failures=(("error", "UpstreamFailed"), ("network_error", "UpstreamFailed")),
        error_codes=(
            ("1000", "UpstreamAuthFailed"),
            ("1001", "UpstreamAuthFailed"),
            ("1002", "UpstreamAuthFailed"),
            ("1003", "UpstreamAuthFailed"),
            ("1113", "UpstreamQuotaExhausted"),
            ("1211", "UpstreamModelNotFound"),
            ("1261", "ContextLengthExceeded"),
            ("1301", "UpstreamContentPolicy"),
            ("1302", "UpstreamRateLimited"),
            ("1303", "UpstreamRateLimited"),
            ("1305", "UpstreamRateLimited"),
        ),
        vectors=Vectors(base64=False, most_inputs=64),
    ),
)

_ALIBABA_HOSTS: Final = {
    "singapore": "dashscope-intl.aliyuncs.com",
    "virginia": "dashscope-us.aliyuncs.com",
    "beijing": "dashscope.aliyuncs.com",
    "hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}


def _alibaba_url(settings: Settings) -> str:
    return f"https://{_ALIBABA_HOSTS[str(settings['site'])]}/compatible-mode/v1"


_ALIBABA: Final = row(
    Account(
        dialect="alibaba",
        title="Alibaba Model Studio",
        base_url=_alibaba_url,
        key="needed",
        settings=(Setting(name="site", choices=tuple(_ALIBABA_HOSTS), default="singapore"),),
        source="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
        checked=_CHECKED,
    ),
    Quirks(
        name="alibaba",
        format="alibaba",
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        names=False,
        reasoning=ReasoningWords(effort="", switch="enable_thinking", on=True, off=False, budget="thinking_budget"),
        replay="reasoning_content",
        tool_choices=frozenset({"auto", "none", "named"}),
        sampling=frozenset({"temperature", "top_p", "top_k", "presence_penalty"}),
        max_stop=16,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="cache_control",
        error_codes=(
            ("Arrearage", "UpstreamQuotaExhausted"),
            ("data_inspection_failed", "UpstreamContentPolicy"),
            ("DataInspectionFailed", "UpstreamContentPolicy"),
            ("limit_requests", "UpstreamRateLimited"),
            ("insufficient_quota", "UpstreamRateLimited"),
        ),
        refused_options=frozenset({"enable_search", "search_options", "incremental_output"}),
        vectors=Vectors(most_inputs=10, base64=False),
    ),
)

# Without reasoning_split thoughts stand in the text. How it went is told in base_resp, with status 200 whatever it was.
# Pieces of a thought in reasoning_details hold what is new, though the documentation's example reads them otherwise:
# https://github.com/MiniMax-AI/MiniMax-M2/issues/95.
_MINIMAX: Final = _hosted(
    "MiniMax",
    "https://api.minimax.io/v1",
    "https://platform.minimax.io/docs/api-reference/text-chat-openai",
    Quirks(
        name="minimax",
        format="minimax",
        fixed=(("reasoning_split", True),),
        developer_role=False,
        refusal_parts=False,
        media=_FILMS,
        reasoning=ReasoningWords(effort="", switch="thinking.type", on="adaptive"),
        replay="reasoning_details",
        tool_choices=frozenset({"auto"}),
        parallel_tool_calls=False,
        formats=frozenset(),
        sampling=frozenset({"temperature", "top_p"}),
        seed="",
        logprobs=False,
        max_stop=4,
        cache_key="",
        cache_marks="",
        error_codes=(
            ("1001", "UpstreamFailed"),
            ("1002", "UpstreamRateLimited"),
            ("1004", "UpstreamAuthFailed"),
            ("1008", "UpstreamQuotaExhausted"),
            ("1024", "UpstreamFailed"),
            ("1026", "UpstreamContentPolicy"),
            ("1027", "UpstreamContentPolicy"),
            ("1033", "UpstreamFailed"),
            ("1039", "ContextLengthExceeded"),
            ("1041", "UpstreamRateLimited"),
            ("2013", "UpstreamRejected"),
            ("2049", "UpstreamAuthFailed"),
            ("2056", "UpstreamRateLimited"),
        ),
        vectors=None,
    ),
)

HOSTED: Final = (
    _MISTRAL,
    _GROQ,
    _DEEPSEEK,
    _XAI,
    _TOGETHER,
    _FIREWORKS,
    _OPENROUTER,
    _PERPLEXITY,
    _CEREBRAS,
    _NVIDIA,
    _SAMBANOVA,
    _HUGGING_FACE,
    _NEBIUS,
    _PARASAIL,
    _DATABRICKS,
    _MOONSHOT,
    _ZAI,
    _ALIBABA,
    _MINIMAX,
)
