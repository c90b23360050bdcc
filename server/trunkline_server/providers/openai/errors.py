"""What a provider's failure means.

1. Of its answer only HTTP status, code and parameter path leave, and only in a narrow set of characters; its words go
   to `foreign_message`, cut.
2. Never raises, whatever the body is.

The code says more than the status, so it is asked first; then words of the message that servers without codes use;
then the status.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from trunkline_server.core import errors as kinds
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
from trunkline_server.providers.openai.quirks import Quirks

__all__ = ["broken_reason", "error_of", "reported_error"]

_OWN: Final = Quirks()

_MAX_DEPTH: Final = 4
"""How many wrappings of an error object are opened."""

_STATUSES: Final = range(100, 1000)
_CLIENT_ERRORS: Final = range(400, 500)

_BY_CODE: Final[Mapping[str, type[UpstreamError]]] = {
    "insufficient_quota": UpstreamQuotaExhausted,
    "billing_hard_limit_reached": UpstreamQuotaExhausted,
    "billing_not_active": UpstreamQuotaExhausted,
    "insufficient_balance": UpstreamQuotaExhausted,
    "context_length_exceeded": ContextLengthExceeded,
    "exceed_context_size_error": ContextLengthExceeded,  # llama.cpp
    "content_policy_violation": UpstreamContentPolicy,
    "content_policy": UpstreamContentPolicy,
    "content_filter": UpstreamContentPolicy,
    "moderation_blocked": UpstreamContentPolicy,
    "model_not_found": UpstreamModelNotFound,
    "model_not_available": UpstreamModelNotFound,
    "invalid_api_key": UpstreamAuthFailed,
    "authentication_error": UpstreamAuthFailed,
    "permission_error": UpstreamAuthFailed,
    "rate_limit_exceeded": UpstreamRateLimited,
    "rate_limit_error": UpstreamRateLimited,
    "engine_overloaded": UpstreamOverloaded,
    "overloaded_error": UpstreamOverloaded,
    "overloaded": UpstreamOverloaded,
    "server_overloaded": UpstreamOverloaded,
    "unavailable_error": UpstreamOverloaded,  # llama.cpp while it loads
}

_BY_TYPE: Final[Mapping[str, type[UpstreamError]]] = {
    "invalid_request_error": UpstreamRejected,
    "badrequesterror": UpstreamRejected,  # vLLM
    "server_error": UpstreamFailed,
    "internal_error": UpstreamFailed,
}
"""Types that say less than a status, for errors inside an answer with status 200."""

_RESETS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
)
"""https://developers.openai.com/api/docs/guides/rate-limits; Groq and others have the same names."""

_CONTEXT_WORDS: Final = re.compile(
    r"maximum context (?:length|limit)|context[ _]length exceeded|exceeds? the available context|exceed context limit"
    r"|longer than the (?:maximum model length|model's context length)"  # vLLM, SGLang
    r"|`inputs` tokens \+ `max_new_tokens` must be|input token count \+ max_tokens"  # Together
    r"|prompt is too long|maximum prompt length is|exceeded model token limit"  # Claude behind others, xAI, Moonshot
    r"|current length is \d+ while limit is|when context the overflows"  # Cerebras, LM Studio
)
"""What servers without a code for it say, in lower case."""


class _Report:
    """What an error body says, in whichever shape."""

    __slots__ = ("code", "flagged", "message", "number", "param", "type")

    def __init__(self, body: bytes) -> None:
        error = _innermost(_json(body))
        code = error.get("code") if error.get("code") is not None else error.get("status_code")
        self.code = word(code)
        self.type = word(error.get("type")) or word(error.get("status"))
        self.number = _number(code)
        """A numeric code, which is an HTTP status where servers send one."""
        self.param = _param(error)
        message = error.get("message") or error.get("msg") or error.get("detail") or error.get("status_msg")
        self.message = message if isinstance(message, str) else body[: 2 * MAX_FOREIGN_BYTES].decode("utf-8", "replace")
        metadata = error.get("metadata")
        self.flagged = isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)
        """OpenRouter's moderation answers 403 with the reasons."""

    @property
    def native_code(self) -> str:
        """The word that says most: a code of letters, else the type, else a number."""
        return self.code if self.code and not self.code.isdigit() else self.type or self.code


def error_of(status: int, headers: Mapping[str, str], body: bytes, quirks: Quirks = _OWN) -> UpstreamError:
    """The failure that an answer with this status tells of."""
    report = _Report(body)
    kind = _kind(report, status, quirks) or kind_of_status(status)
    return _failure(kind, report, status, retry_after_s=retry_after(headers, _RESETS))


def reported_error(body: bytes, quirks: Quirks = _OWN) -> UpstreamError:
    """The failure that an error object inside an answer with status 200 tells of."""
    report = _Report(body)
    kind = _kind(report, report.number, quirks) or _BY_TYPE.get(report.type.lower())
    if kind is None:
        kind = kind_of_status(report.number) if report.number in _STATUSES else UpstreamFailed
    return _failure(kind, report, 200, retry_after_s=None)


def broken_reason(reason: str, quirks: Quirks) -> UpstreamError | None:
    """The failure that a finish reason stands for; None for the end of an answer."""
    for theirs, kind in quirks.failures:
        if theirs == reason:
            return failure(getattr(kinds, kind), status=200, code=word(reason))
    return None


@cache
def _own_codes(quirks: Quirks) -> Mapping[str, type[UpstreamError]]:
    return {code: getattr(kinds, kind) for code, kind in quirks.error_codes}


def _failure(kind: type[UpstreamError], report: _Report, status: int, *, retry_after_s: float | None) -> UpstreamError:
    return failure(
        kind,
        status=status,
        code=report.native_code,
        param=report.param,
        message=report.message,
        retry_after_s=retry_after_s,
    )


def _kind(report: _Report, status: int, quirks: Quirks) -> type[UpstreamError] | None:
    own = _own_codes(quirks)
    kind = own.get(report.code) or own.get(report.type)
    kind = kind or _BY_CODE.get(report.code.lower()) or _BY_CODE.get(report.type.lower())
    if kind is None and report.flagged:
        return UpstreamContentPolicy
    if kind is None and (status in _CLIENT_ERRORS or not status) and _CONTEXT_WORDS.search(report.message.lower()):
        return ContextLengthExceeded
    return kind


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _innermost(value: Any) -> dict[str, Any]:
    """The object that holds code and message: {"error": {...}}, {"error": "..."}, [{"error": ...}], {"detail": ...}."""
    for _ in range(_MAX_DEPTH):
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, dict) and isinstance(value.get("error"), dict | list) and value["error"]:
            value = value["error"]
        elif isinstance(value, dict) and isinstance(value.get("detail"), dict | list) and value["detail"]:
            value = value["detail"]
        elif isinstance(value, dict) and isinstance(value.get("error"), str) and "message" not in value:
            return {**value, "message": value["error"]}
        else:
            break
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("999"):
        value = int(value)
    return value if type(value) is int and value in _STATUSES else 0


def _param(error: Mapping[str, Any]) -> str:
    param = error.get("param")
    if param is None and isinstance(error.get("loc"), list):  # FastAPI: ["body", "messages", 0, "content"]
        param = "".join(f"[{step}]" if type(step) is int else f".{step}" for step in error["loc"][1:17])[1:]
    return parameter(param)
