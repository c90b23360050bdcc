"""What a provider's failure means.

1. Of its answer only HTTP status, code and parameter path leave, and only in a narrow set of characters; its words go
   to `foreign_message`, cut.
2. Never raises, whatever the body is.

The code says more than the status, so it is asked first; then words of the message that servers without codes use;
then the status.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamModelNotFound,
    UpstreamOverloaded,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
)

__all__ = ["error_of", "reported_error"]

_MAX_RETRY_AFTER_S: Final = 3600.0
_MAX_FOREIGN_BYTES: Final = 512
_MAX_DEPTH: Final = 4
"""How many wrappings of an error object are opened."""

_STATUSES: Final = range(100, 1000)
_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)

_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARAM: Final = re.compile(r"[A-Za-z0-9._\-\[\]]{1,128}")

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

_BY_STATUS: Final[Mapping[int, type[UpstreamError]]] = {
    401: UpstreamAuthFailed,
    402: UpstreamQuotaExhausted,
    403: UpstreamAuthFailed,
    404: UpstreamModelNotFound,
    408: UpstreamFailed,  # the provider waited too long, for us or for itself: a repeat may do
    409: UpstreamFailed,
    425: UpstreamFailed,
    429: UpstreamRateLimited,
    503: UpstreamOverloaded,
    529: UpstreamOverloaded,
}

_BY_TYPE: Final[Mapping[str, type[UpstreamError]]] = {
    "invalid_request_error": UpstreamRejected,
    "badrequesterror": UpstreamRejected,  # vLLM
    "server_error": UpstreamFailed,
    "internal_error": UpstreamFailed,
}
"""Types that say less than a status, for errors inside an answer with status 200."""

_CONTEXT_WORDS: Final = re.compile(r"maximum context length|context[ _]length exceeded|exceeds? the available context")

_SAID: Final[Mapping[type[UpstreamError], str]] = {
    ContextLengthExceeded: "the prompt is too long for the provider's model; shorten it",
    UpstreamAuthFailed: "the provider does not take the gateway's credential",
    UpstreamContentPolicy: "the provider's content policy forbids the request",
    UpstreamFailed: "the provider failed",
    UpstreamMalformed: "the provider's answer is not in its own format",
    UpstreamModelNotFound: "the provider knows no such model or path",
    UpstreamOverloaded: "the provider is overloaded",
    UpstreamQuotaExhausted: "the gateway's account at the provider is out of credit",
    UpstreamRateLimited: "the provider's rate limit for the gateway's account is reached",
    UpstreamRejected: "the provider refused the request",
}

_REPEATABLE: Final = (UpstreamFailed, UpstreamOverloaded, UpstreamRateLimited)


class _Report:
    """What an error body says, in whichever shape."""

    __slots__ = ("code", "flagged", "message", "number", "param", "type")

    def __init__(self, body: bytes) -> None:
        error = _innermost(_json(body))
        self.code = _word(error.get("code"))
        self.type = _word(error.get("type")) or _word(error.get("status"))
        self.number = _number(error.get("code"))
        """A numeric code, which is an HTTP status where servers send one."""
        self.param = _param(error)
        message = error.get("message") or error.get("msg") or error.get("detail")
        self.message = (
            message if isinstance(message, str) else body[: 2 * _MAX_FOREIGN_BYTES].decode("utf-8", "replace")
        )
        metadata = error.get("metadata")
        self.flagged = isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)
        """OpenRouter's moderation answers 403 with the reasons."""

    @property
    def native_code(self) -> str:
        """The word that says most: a code of letters, else the type, else a number."""
        return self.code if self.code and not self.code.isdigit() else self.type or self.code


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of."""
    report = _Report(body)
    kind = _kind(report, status) or _by_status(status)
    return _failure(kind, report, status, retry_after_s=_retry_after(headers))


def reported_error(body: bytes) -> UpstreamError:
    """The failure that an error object inside an answer with status 200 tells of."""
    report = _Report(body)
    kind = _kind(report, report.number) or _BY_TYPE.get(report.type.lower())
    if kind is None:
        kind = _by_status(report.number) if report.number in _STATUSES else UpstreamFailed
    return _failure(kind, report, 200, retry_after_s=None)


def _failure(kind: type[UpstreamError], report: _Report, status: int, *, retry_after_s: float | None) -> UpstreamError:
    told = [f"HTTP {status}"]
    if report.native_code:
        told.append(f"code {report.native_code}")
    if report.param:
        told.append(f"parameter {report.param}")
    return kind(
        f"{_SAID[kind]} ({', '.join(told)})",
        http_status=status,
        native_code=report.native_code,
        param=report.param,
        foreign_message=report.message.encode("utf-8", "replace")[:_MAX_FOREIGN_BYTES].decode("utf-8", "ignore"),
        retry_after_s=retry_after_s if issubclass(kind, _REPEATABLE) else None,
    )


def _kind(report: _Report, status: int) -> type[UpstreamError] | None:
    kind = _BY_CODE.get(report.code.lower()) or _BY_CODE.get(report.type.lower())
    if kind is None and report.flagged:
        return UpstreamContentPolicy
    if kind is None and (status in _CLIENT_ERRORS or not status) and _CONTEXT_WORDS.search(report.message.lower()):
        return ContextLengthExceeded
    return kind


def _by_status(status: int) -> type[UpstreamError]:
    if kind := _BY_STATUS.get(status):
        return kind
    if status in _CLIENT_ERRORS:
        return UpstreamRejected
    if status in _SERVER_ERRORS or status in _REDIRECTS:  # redirects are not followed
        return UpstreamFailed
    return UpstreamMalformed


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


def _word(value: Any) -> str:
    """A code that may leave; anything else is dropped."""
    if type(value) is int:
        value = str(value) if abs(value) < 10**9 else ""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("999"):
        value = int(value)
    return value if type(value) is int and value in _STATUSES else 0


def _param(error: Mapping[str, Any]) -> str:
    param = error.get("param")
    if param is None and isinstance(error.get("loc"), list):  # FastAPI: ["body", "messages", 0, "content"]
        param = "".join(f"[{step}]" if type(step) is int else f".{step}" for step in error["loc"][1:17])[1:]
    return param if isinstance(param, str) and _PARAM.fullmatch(param) else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, 0 to 3600. A date counts from the provider's own clock, its `date` header."""
    try:
        if text := headers.get("retry-after-ms"):
            return _bounded(float(text) / 1000)
        text = headers.get("retry-after") or ""
        if text and text[0].isdigit():
            return _bounded(float(text))
        if text and (now := headers.get("date")):
            return _bounded((_date(text) - _date(now)).total_seconds())
    except (ValueError, OverflowError, TypeError):
        pass
    return None


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date.replace(tzinfo=None) - (date.utcoffset() or date - date)


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S) if isfinite(seconds) else None
