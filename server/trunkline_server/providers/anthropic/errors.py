"""What a failure of Anthropic's means.

1. Of its answer only HTTP status, code and parameter path leave, and only in a narrow set of characters; its words go
   to `foreign_message`, cut.
2. Never raises, whatever the body is.

The code of the details says most, then the type; then words of the message where one type stands for many things; then
the status.

Sources: https://platform.claude.com/docs/en/api/errors and .../rate-limits; the error types of the `anthropic` package,
2.12.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)
from trunkline_server.providers.failure import MAX_FOREIGN_BYTES, failure, kind_of_status, parameter, retry_after, word

__all__ = ["error_of", "reported_error"]

_BY_CODE: Final[Mapping[str, type[UpstreamError]]] = {
    "contract_spend_limit_reached": UpstreamQuotaExhausted,
    "enforced_spend_limit_reached": UpstreamQuotaExhausted,
    "linked_organization_spend_limit_reached": UpstreamQuotaExhausted,
    "linked_organization_billing_unavailable": UpstreamQuotaExhausted,
    "ramp_limit_exceeded": UpstreamRateLimited,
    "organization_on_hold": UpstreamAuthFailed,
}
"""By error.details.error_code."""

_BY_TYPE: Final[Mapping[str, type[UpstreamError]]] = {
    "authentication_error": UpstreamAuthFailed,
    "billing_error": UpstreamQuotaExhausted,
    "permission_error": UpstreamAuthFailed,
    "not_found_error": UpstreamModelNotFound,
    "request_too_large": UpstreamRejected,
    "rate_limit_error": UpstreamRateLimited,
    "timeout_error": UpstreamFailed,
    "api_error": UpstreamFailed,
    "overloaded_error": UpstreamOverloaded,
    "conflict_error": UpstreamFailed,
    "exceed_context_size_error": ContextLengthExceeded,  # llama.cpp
    "unavailable_error": UpstreamOverloaded,  # llama.cpp while it loads
}
"""By error.type. invalid_request_error stands for many things."""

_BY_WORDS: Final[tuple[tuple[re.Pattern[str], type[UpstreamError]], ...]] = (
    (
        re.compile(r"prompt is too long|exceed context limit|exceeds the maximum context|context window"),
        ContextLengthExceeded,
    ),
    (re.compile(r"credit balance is too low|specified (?:api|workspace) usage limits"), UpstreamQuotaExhausted),
    (re.compile(r"content filtering policy"), UpstreamContentPolicy),
)
"""Of the message of an invalid_request_error, or of a refusal without a type."""

_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_RESETS: Final = tuple(
    (f"anthropic-ratelimit-{limit}-remaining", f"anthropic-ratelimit-{limit}-reset") for limit in _LIMITS
)

_PARAM: Final = re.compile(
    r"((?:cache_control|max_tokens|messages|metadata|model|output_config|stop_sequences|system|temperature|thinking"
    r"|tool_choice|tools|top_k|top_p)(?:\.\w{1,64}){0,12}): "
)
"""How a message names the member that is wrong: "messages.1.content.0.tool_use.id: String should match"."""

_CLIENT_ERRORS: Final = (400, 413, 422)
_SERVER_ERRORS: Final = 500


class _Report:
    """What an error body says."""

    __slots__ = ("code", "message", "type")

    def __init__(self, body: bytes) -> None:
        error = _error(body)
        details = error.get("details")
        self.code = word(details.get("error_code")) if isinstance(details, dict) else ""
        self.type = word(error.get("type"))
        message = error.get("message")
        self.message = message if isinstance(message, str) else body[: 2 * MAX_FOREIGN_BYTES].decode("utf-8", "replace")

    def kind(self) -> type[UpstreamError] | None:
        """What it means, as far as it says."""
        return _BY_CODE.get(self.code) or _BY_TYPE.get(self.type)

    def kind_by_words(self) -> type[UpstreamError]:
        """What the message of a refusal means."""
        message = self.message[: 2 * MAX_FOREIGN_BYTES].lower()
        return next((kind for words, kind in _BY_WORDS if words.search(message)), UpstreamRejected)


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of."""
    report = _Report(body)
    kind = report.kind()
    if kind is None:
        # A server that fails says so by its status, whatever its proxy calls it.
        is_refusal = status in _CLIENT_ERRORS or (report.type == "invalid_request_error" and status < _SERVER_ERRORS)
        kind = report.kind_by_words() if is_refusal else kind_of_status(status)
    return _failure(kind, report, status, retry_after_s=retry_after(headers, _RESETS))


def reported_error(body: bytes) -> UpstreamError:
    """The failure that an error inside an answer with status 200 tells of."""
    report = _Report(body)
    kind = report.kind()
    if kind is None:
        kind = report.kind_by_words() if report.type == "invalid_request_error" else UpstreamFailed
    return _failure(kind, report, 200, retry_after_s=None)


def _failure(kind: type[UpstreamError], report: _Report, status: int, *, retry_after_s: float | None) -> UpstreamError:
    named = _PARAM.match(report.message)
    return failure(
        kind,
        status=status,
        code=report.code or report.type,
        param=parameter(named[1]) if named else "",
        message=report.message,
        retry_after_s=retry_after_s,
    )


def _error(body: bytes) -> dict[str, Any]:
    """The object that holds type and message: {"type": "error", "error": {...}}, or itself."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    inner = value.get("error") if isinstance(value, dict) else None
    if isinstance(inner, dict):
        return inner
    return value if isinstance(value, dict) else {}
