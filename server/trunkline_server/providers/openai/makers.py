"""Providers that make the models they serve, one row each."""

from typing import Final

from trunkline_server.core.account import Account, Setting, Settings
from trunkline_server.providers.openai.quirks import Quirks, ReasoningWords, Vectors
from trunkline_server.providers.openai.rows import CHECKED, hosted, row

__all__ = ["MAKERS"]

_PENALTIES: Final = Quirks().sampling
_CHOICES: Final = frozenset({"auto", "none", "required", "named"})
_PICTURES: Final = frozenset({"pictures"})
_FILMS: Final = frozenset({"pictures", "films"})

# Members beyond those it knows are refused with 422, so only what ChatCompletionRequest of `mistralai` 3.7.0 has is
# sent; usage comes with the last chunk unasked. What turns may follow one another, and ids of nine letters and digits
# for its older models, is in the validators of `mistral-common` 1.
_MISTRAL: Final = hosted(
    "Mistral",
    "https://api.mistral.ai/v1",
    "https://docs.mistral.ai/api",
    Quirks(
        name="mistral",
        format="mistral",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures", "sound", "documents"}),
        documents="document_url",
        sound_as_text=True,
        prefix="prefix",
        media_results=True,
        names=False,
        replay="thinking",
        tool_choices=_CHOICES,
        needs_parameters=True,
        short_tool_ids=9,
        sampling=_PENALTIES | {"top_k"},
        seed="random_seed",
        max_stop=None,
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
    unsure="that a system turn may follow any other: mistral-common takes it only first or after a user's.",
)

# Turns with tool calls have to bring their reasoning_content back, or the call is refused; so do all others, as some
# found (https://github.com/openclaw/openclaw/issues/73417). Any word for how much is taken, and mapped there: medium to
# high, for one.
_DEEPSEEK: Final = hosted(
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
        needs_thoughts="turns",
        tool_choices=_CHOICES,
        parallel_tool_calls=False,
        formats=frozenset({"json_object"}),
        seed="",
        max_stop=None,
        max_tokens_key="max_tokens",
        cache_key="",
        cache_marks="",
        failures=(("error", "UpstreamFailed"), ("insufficient_system_resource", "UpstreamOverloaded")),
        vectors=None,
    ),
)

_XAI: Final = hosted(
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

# Every chunk of a stream names all sources so far and the usage so far. JSON of any shape is asked for as a schema.
_PERPLEXITY: Final = hosted(
    "Perplexity",
    "https://api.perplexity.ai",
    "https://docs.perplexity.ai/api-reference/chat-completions-post",
    Quirks(
        name="perplexity",
        developer_role=False,
        refusal_parts=False,
        media=frozenset({"pictures", "films", "documents"}),
        documents="file_url",
        names=False,
        reasoning=ReasoningWords(efforts=("minimal", "low", "medium", "high")),
        tool_choices=frozenset({"auto", "none", "required"}),
        formats=frozenset({"json_schema"}),
        sampling=_PENALTIES | {"top_k"},
        seed="",
        logprobs=False,
        max_stop=None,
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
    unsure=(
        "that reasoning_tokens stand beside completion_tokens for every model: the pricing page adds them for Sonar "
        "Deep Research. And that the data of documents stands bare in file_url."
    ),
)

# Kimi takes no sampling but its own; a call that asks for another is refused there, not here: models differ.
_MOONSHOT: Final = hosted(
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
        needs_thoughts="calls",
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

_ZAI: Final = hosted(
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
            ("1004", "UpstreamAuthFailed"),
            ("1113", "UpstreamQuotaExhausted"),
            ("1211", "UpstreamModelNotFound"),
            ("1261", "ContextLengthExceeded"),
            ("1301", "UpstreamContentPolicy"),
            ("1302", "UpstreamRateLimited"),
            ("1303", "UpstreamRateLimited"),
            ("1304", "UpstreamQuotaExhausted"),
            ("1305", "UpstreamRateLimited"),
            ("1308", "UpstreamQuotaExhausted"),
            ("1309", "UpstreamQuotaExhausted"),
            ("1310", "UpstreamQuotaExhausted"),
            ("1312", "UpstreamOverloaded"),
        ),
        vectors=Vectors(base64=False, most_inputs=64),
    ),
    unsure="how many texts a request for vectors may hold: 64 are sent.",
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
        checked=CHECKED,
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
        max_stop=None,
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
# Pieces of a thought in reasoning_details hold what is new (https://github.com/MiniMax-AI/MiniMax-M2/issues/95), or, as
# the documentation's example reads them and M3 was seen to do (https://github.com/can1357/oh-my-pi/pull/2434), all of
# it so far.
_MINIMAX: Final = hosted(
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
        thoughts_restart=True,
        tool_choices=frozenset({"auto"}),
        parallel_tool_calls=False,
        formats=frozenset(),
        sampling=frozenset({"temperature", "top_p"}),
        seed="",
        logprobs=False,
        max_stop=None,
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
    unsure="whether a piece of a streamed thought holds what is new or all so far: both are read.",
)

MAKERS: Final = (
    _MISTRAL,
    _DEEPSEEK,
    _XAI,
    _PERPLEXITY,
    _MOONSHOT,
    _ZAI,
    _ALIBABA,
    _MINIMAX,
)
