"""Members of the request that no caller may set by provider_options, and how what they may is put in.

1. What the dialect writes, and what chooses the model, the stream's shape, the output bound, the tier or what is
   stored, is refused.
2. additionalModelRequestFields is taken apart: its members go to the model unread, so they may not be those that the
   dialect writes there, nor the model's own words for what is refused above.

Sources: the shape ConverseRequest in botocore 1.44; for the models' words
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.
"""

from typing import Any, Final

import msgspec

from trunkline_server.providers.jsontext import members_of
from trunkline_server.providers.options import refused

__all__ = ["BETAS", "REFUSED", "take_model_fields"]

BETAS: Final = "anthropic_beta"
"""Claude's member for what is switched on: a list, to which the dialect and the caller both add."""

_FIELDS: Final = "additionalModelRequestFields"
_PATH: Final = f'provider_options["bedrock"].{_FIELDS}'

REFUSED: Final = frozenset(
    {
        # written
        "messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "additionalModelResponseFieldPaths",
        # the model, and the prompt that it is given
        "modelId", "model", "promptVariables",
        # the tier
        "performanceConfig", "serviceTier",
        # what is stored: keys of the account's own invocation logs
        "requestMetadata",
        # the stream
        "stream", "input", "body",
    }
)  # fmt: skip

_REFUSED_FIELDS: Final = frozenset(
    {
        # written
        "thinking", "output_config", "reasoningConfig", "reasoning_effort", "top_k", "k", "tool_choice", "tools",
        "temperature", "top_p", "stop", "stop_sequences", "seed", "response_format", "output_format",
        # the model, and the conversation
        "model", "modelId", "fallbacks", "messages", "system", "prompt", "message", "chat_history", "preamble",
        # the output bound
        "max_tokens", "max_tokens_to_sample", "max_gen_len", "max_new_tokens", "max_completion_tokens",
        "maxTokens", "maxTokenCount", "textGenerationConfig", "task_budget",
        # the stream's shape and the number of answers
        "stream", "stream_options", "n", "num_generations", "num_results", "numResults", "best_of",
        # the tier and what is stored
        "service_tier", "priority", "speed", "metadata", "store", "background",
        # what lives in the account
        "container", "mcp_servers",
    }
)  # fmt: skip
_NESTED: Final = "inferenceConfig"
"""Nova's own, in which it takes topK."""
_NESTED_ALLOWED: Final = frozenset({"topK"})


def take_model_fields(extra: dict[str, msgspec.Raw], written: dict[str, Any]) -> None:
    """Moves the caller's members for the model from `extra` to `written`. Raises ProviderOptionRefused."""
    raw = extra.pop(_FIELDS, None)
    if raw is None:
        return
    if bytes(raw).lstrip()[:1] != b"{":
        raise refused(_PATH, "has to be an object")
    for name, value in members_of(bytes(raw)).items():
        if name in _REFUSED_FIELDS:
            raise refused(f"{_PATH}.{name}", "the gateway decides this member; use the field of the request")
        if name == _NESTED:
            _check_nested(value)
            if name in written:
                raise refused(f"{_PATH}.{name}", "sampling.top_k is written there; leave one of the two out")
        written[name] = _with_betas(written[name], value) if name == BETAS and name in written else value


def _with_betas(needed: list[str], value: msgspec.Raw) -> list[str]:
    try:
        wanted = msgspec.json.decode(value, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(f"{_PATH}.{BETAS}", "has to be a list of texts") from error
    return list(dict.fromkeys([*needed, *wanted]))


def _check_nested(value: msgspec.Raw) -> None:
    if bytes(value).lstrip()[:1] != b"{":
        raise refused(f"{_PATH}.{_NESTED}", "has to be an object")
    for name in members_of(bytes(value)):
        if name not in _NESTED_ALLOWED:
            raise refused(f"{_PATH}.{_NESTED}.{name}", "the gateway decides this member; use the field of the request")
