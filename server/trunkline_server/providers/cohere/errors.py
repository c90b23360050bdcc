"""What a failure of Cohere's means.

1. Of its answer only HTTP status and parameter leave, and only in a narrow set of characters; its words go to
   `foreign_message`, cut.
2. Never raises, whatever the body is.

Cohere's errors have no codes. Words of the message say more than the status where one status stands for many things;
else the status says it.

Sources: https://docs.cohere.com/reference/errors; the statuses of Cohere's OpenAPI document, /v2/chat.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamFailed,
    UpstreamQuotaExhausted,
    UpstreamRejected,
)
from trunkline_server.providers.failure import MAX_FOREIGN_BYTES, failure, kind_of_status, parameter, retry_after

__all__ = ["broken_reason", "error_of", "reported_error"]

_BY_STATUS: Final[Mapping[int, type[UpstreamError]]] = {
    498: UpstreamAuthFailed,  # "invalid token"
    499: UpstreamFailed,  # cancelled within Cohere: a repeat may do
    501: UpstreamRejected,
}

_BY_WORDS: Final[tuple[tuple[re.Pattern[str], type[UpstreamError]], ...]] = (
    # Of the output that was asked for, and not of the prompt.
    (re.compile(r"max tokens must be less than or equal to"), UpstreamRejected),
    (re.compile(r"too many tokens|maximum context length|exceeds the context"), ContextLengthExceeded),
    (re.compile(r"limited to [\d,]+ api calls ?/ ?month|monthly (?:call )?limit"), UpstreamQuotaExhausted),
    (re.compile(r"billing (?:limit|settings)|payment required"), UpstreamQuotaExhausted),
)
"""Of the message of a refusal."""

_TOO_MANY: Final = 429
_REFUSALS: Final = (400, 402, 403, 413, 422, _TOO_MANY)

_PARAM: Final = re.compile(
    r"(?:invalid request: )?(citation_options|documents|embedding_types|frequency_penalty|input_type|k|logprobs"
    r"|max_tokens|messages|model|output_dimension|p|presence_penalty|response_format|safety_mode|seed|stop_sequences"
    r"|strict_tools|temperature|texts|thinking|tool_choice|tools|truncate)\b(?! ')(?=[ .\[])"
)
"""How a message names the member that is wrong: "invalid request: temperature must be between 0 and 1.0 inclusive."."""


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of."""
    message = _message(body)
    kind = _kind_by_words(message) if status in _REFUSALS else None
    if status == _TOO_MANY and kind is not UpstreamQuotaExhausted:
        kind = None  # too many tokens, too, within a minute
    kind = kind or _BY_STATUS.get(status) or kind_of_status(status)
    return _failure(kind, message, status, retry_after_s=retry_after(headers))


def reported_error(body: bytes) -> UpstreamError:
    """The failure that an error inside an answer with status 200 tells of."""
    message = _message(body)
    return _failure(_kind_by_words(message) or UpstreamFailed, message, 200)


def broken_reason(reason: str, message: str) -> UpstreamError:
    """The failure of an answer whose finish reason is one."""
    return _failure(_kind_by_words(message) or UpstreamFailed, message, 200, code=reason)


def _kind_by_words(message: str) -> type[UpstreamError] | None:
    message = message[: 2 * MAX_FOREIGN_BYTES].lower()
    return next((kind for words, kind in _BY_WORDS if words.search(message)), None)


def _failure(
    kind: type[UpstreamError], message: str, status: int, *, code: str = "", retry_after_s: float | None = None
) -> UpstreamError:
    named = _PARAM.match(message) if kind is UpstreamRejected else None
    param = parameter(named[1]) if named else ""
    return failure(kind, status=status, code=code, param=param, message=message, retry_after_s=retry_after_s)


def _message(body: bytes) -> str:
    """The words of {"message": ..., "id": ...}; the body itself where it is something else."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    message = value.get("message") or value.get("data") if isinstance(value, dict) else None
    return message if isinstance(message, str) else body[: 2 * MAX_FOREIGN_BYTES].decode("utf-8", "replace")
