"""Members that a caller adds to the provider's request by provider_options.

1. Permission comes first: without it nothing of them is read.
2. A member that the dialect writes itself, or that chooses the model, the stream's shape, the number of answers, the
   output bound, the tier or storage, by whatever name a compatible server knows it, is refused with its path; records,
   prices and limits rely on these.
3. What the quirks say that the dialect does not write may be given: top_k for a vLLM behind the dialect openai.
4. Entries for other dialects are left out and named.

Sources of the names: the request types of vLLM and SGLang, and the strings in xllamacpp 2026.10.
"""

from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.errors import FieldViolation, ProviderOptionRefused
from trunkline_server.providers.openai.jsontext import members_of
from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["extra_members"]

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


def _refused_members(quirks: Quirks) -> frozenset[str]:
    """Members that no caller may set where the servers are like this."""
    written = {"reasoning_effort": quirks.reasoning_effort, "prompt_cache_key": quirks.cache_key}
    written["prompt_cache_options"] = quirks.cache_breakpoints_since is not None
    own = {member for member, is_written in written.items() if is_written}
    return _WRITTEN | _NOT_FOR_CALLERS | quirks.sampling | own


def extra_members(
    request: v1.CompleteRequest, quirks: Quirks, *, allowed: bool, left_out: list[str]
) -> dict[str, msgspec.Raw]:
    """The members to add to the body. Raises ProviderOptionRefused."""
    dialect, options = quirks.name, request.provider_options
    left_out.extend(f'provider_options["{other}"]' for other in sorted(options) if other != dialect)
    if dialect not in options:
        return {}
    path = f'provider_options["{dialect}"]'
    if not allowed:
        raise _refused(path, "this provider is not configured to take provider options; leave them out")
    members = members_of(options[dialect])
    refused = _refused_members(quirks)
    for member in members:
        if member in refused:
            raise _refused(f"{path}.{member}", "the gateway decides this member; use the field of the request")
    return members


def _refused(path: str, description: str) -> ProviderOptionRefused:
    return ProviderOptionRefused(FieldViolation(field=path, description=description))
