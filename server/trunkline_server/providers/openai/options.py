"""Members of the request that no caller may set by provider_options: records, prices and limits rely on them.

1. What the dialect writes itself, and what chooses the model, the stream's shape, the number of answers, the output
   bound, the tier or storage, by whatever name a compatible server knows it.
2. What the quirks say that the dialect does not write may be given: top_k for a vLLM behind the dialect openai.

Sources of the names: the request types of vLLM and SGLang, and the strings in xllamacpp 2026.10.
"""

from functools import cache
from typing import Final

from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["refused_members"]

_WRITTEN: Final = frozenset(
    {
        "logprobs", "max_completion_tokens", "max_tokens", "messages", "model", "parallel_tool_calls",
        "response_format", "seed", "stop", "stream", "stream_options", "tool_choice", "tools", "top_logprobs",
    }
)  # fmt: skip
"""What the dialect and every near-twin of it writes. Tools are among them where they are refused: they can't work."""

_NOT_FOR_CALLERS: Final = frozenset(
    {
        # the model, and who serves it
        "models", "route", "provider", "preset", "fallbacks", "lora", "lora_path", "custom_llm_provider", "extra_body",
        # where to, and as whom
        "api_base", "base_url", "api_key", "api_version", "extra_headers", "extra_query", "user_config",
        "kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room", "data_parallel_rank",
        "routed_dp_rank", "disagg_prefill_dp_rank",
        # what runs there
        "logits_processors", "custom_logit_processor",
        # the shape of the stream and of the answer, and the number of answers
        "n", "n_cmpl", "n_choices", "best_of", "use_beam_search", "function_call", "functions", "response_fields",
        "echo", "background", "return_progress", "stream_reasoning", "sse_ping_interval",
        # the conversation
        "prompt", "prompts", "input_ids", "prompt_embeds", "truncate_prompt_tokens",
        # the output bound
        "max_output_tokens", "max_new_tokens", "n_predict", "t_max_predict_ms",
        # the tier, and the server's own queue
        "service_tier", "priority", "id_slot", "slot_id", "request_id", "rid",
        # storage
        "store", "metadata", "prompt_cache_retention", "session_id", "session_params", "conversation_id",
    }
)  # fmt: skip


@cache
def refused_members(quirks: Quirks) -> frozenset[str]:
    """Members that no caller may set where the servers are like this."""
    written = {quirks.seed, quirks.cache_key, *(name for name, _ in quirks.fixed), *quirks.reasoning.members}
    if quirks.cache_marks == "prompt_cache_breakpoint":
        written.add("prompt_cache_options")
    return _WRITTEN | _NOT_FOR_CALLERS | quirks.sampling | quirks.refused_options | written
