"""What callers may add to a request by provider_options.

1. Members that the dialect writes itself, and those that choose the model, the stream's shape, the number of answers,
   the output bound, the tier, storage or what the account has stored, are refused.
2. In members that hold several things at once (text, reasoning, include, prompt_cache_options) the caller may set what
   the dialect does not: text.verbosity, reasoning.context, more to include.

Sources of the names: the request types of the `openai` package, 3.54, and of vLLM and OpenRouter.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.providers.options import refused

__all__ = ["REFUSED", "merge"]

REFUSED: Final = frozenset(
    {
        # written here, in this or another form
        "input", "instructions", "max_output_tokens", "messages", "model", "parallel_tool_calls", "prompt_cache_key",
        "store", "stream", "temperature", "tool_choice", "tools", "top_logprobs", "top_p",
        # the model, and who serves it
        "models", "route", "provider", "preset", "fallbacks", "plugins", "extra_body", "access_programs",
        # where to, and as whom
        "api_base", "base_url", "api_key", "api_version", "extra_headers", "extra_query", "kv_transfer_params",
        # the shape of the stream and of the answer, and the number of answers
        "n", "stream_options", "background", "background_options", "enable_response_messages", "response_format",
        # the conversation, where the account has it stored
        "conversation", "previous_response_id", "previous_input_messages", "prompt", "truncation",
        # the output bound
        "max_tokens", "max_completion_tokens",
        # the tier, and the server's own queue
        "service_tier", "priority", "request_id",
        # storage
        "metadata", "prompt_cache_retention", "session_id", "trace",
    }
)  # fmt: skip

_SHARED: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"format"}),
    "reasoning": frozenset({"effort", "summary", "generate_summary"}),
    "prompt_cache_options": frozenset({"ttl", "prewarm", "comparison_response_id"}),
}
"""Members that caller and dialect fill together, and what of each the caller may not set."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WORDS: Final = msgspec.json.Decoder(list[str])


def merge(body: dict[str, Any], extra: Mapping[str, msgspec.Raw], dialect: str) -> None:
    """Add the caller's members, which have passed REFUSED, to the body. Raises ProviderOptionRefused."""
    for name, value in extra.items():
        path = f'provider_options["{dialect}"].{name}'
        if name == "include":
            wanted = _list(value, path)
            body[name] = list(dict.fromkeys([*body.get(name, ()), *wanted]))
        elif name in _SHARED:
            body[name] = {**_members(value, path, _SHARED[name]), **body.get(name, {})}
        else:
            body[name] = value


def _list(value: msgspec.Raw, path: str) -> list[str]:
    try:
        return _WORDS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(path, "write a list of words") from error


def _members(value: msgspec.Raw, path: str, own: frozenset[str]) -> dict[str, msgspec.Raw]:
    try:
        members = _OBJECT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(path, "write an object") from error
    for member in members:
        if member in own:
            raise refused(f"{path}.{member}", "the gateway decides this member; use the field of the request")
    return members
