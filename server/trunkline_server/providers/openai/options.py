"""Members that a caller adds to the provider's request by provider_options.

1. Permission comes first: without it nothing of them is read.
2. A member that the dialect writes itself, or that chooses the model, the stream's shape, the number of answers, the
   output bound, the tier or storage, is refused with its path; records, prices and limits rely on these.
3. Entries for other dialects are left out and named.
"""

from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.errors import FieldViolation, ProviderOptionRefused
from trunkline_server.providers.openai.jsontext import json_members

__all__ = ["REFUSED", "extra_members"]

_WRITTEN: Final = frozenset(
    {
        "frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "messages", "min_p", "model",
        "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "reasoning_effort",
        "response_format", "seed", "stop", "stream", "stream_options", "temperature", "tool_choice", "tools", "top_k",
        "top_logprobs", "top_p",
    }
)  # fmt: skip
"""What the dialect or a near-twin of it writes."""

_NOT_FOR_CALLERS: Final = frozenset(
    {
        # the model, and who serves it
        "models", "route", "provider", "preset", "fallbacks", "lora", "custom_llm_provider", "extra_body",
        # where to, and as whom
        "api_base", "base_url", "api_key", "api_version", "extra_headers", "extra_query", "user_config",
        # the shape of the stream and of the answer, and the number of answers
        "n", "best_of", "use_beam_search", "function_call", "functions", "response_fields", "echo", "background",
        "prompt", "prompts",
        # the output bound
        "max_output_tokens", "max_new_tokens", "n_predict",
        # the tier, and the server's own queue
        "service_tier", "priority", "id_slot", "slot_id",
        # storage
        "store", "metadata", "prompt_cache_retention",
    }
)  # fmt: skip

REFUSED: Final = _WRITTEN | _NOT_FOR_CALLERS


def extra_members(
    request: v1.CompleteRequest, dialect: str, *, allowed: bool, left_out: list[str]
) -> dict[str, msgspec.Raw]:
    """The members to add to the body. Raises ProviderOptionRefused, or InvalidRequest for what is no JSON object."""
    options = request.provider_options
    left_out.extend(f'provider_options["{other}"]' for other in sorted(options) if other != dialect)
    if dialect not in options:
        return {}
    path = f'provider_options["{dialect}"]'
    if not allowed:
        raise _refused(path, "this provider is not configured to take provider options; leave them out")
    members = json_members(options[dialect], path)
    for member in members:
        if member in REFUSED:
            raise _refused(f"{path}.{member}", "the gateway decides this member; use the field of the request")
    return members


def _refused(path: str, description: str) -> ProviderOptionRefused:
    return ProviderOptionRefused(FieldViolation(field=path, description=description))
