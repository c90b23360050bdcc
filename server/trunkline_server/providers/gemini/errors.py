"""What a failure of Google's means: a google.rpc.Status in JSON, alone or in an array.

1. Of its answer only HTTP status, code and field leave, and only in a narrow set of characters; its words go to
   `foreign_message`, cut.
2. Never raises, whatever the body is.

The reason of google.rpc.ErrorInfo says most, so it is asked first; then which quota is used up; then words of the
message, where there is no code for what they say; then the canonical code; then the HTTP status.

Sources: https://ai.google.dev/gemini-api/docs/troubleshooting; https://cloud.google.com/apis/design/errors;
google/api/error_reason.proto; https://github.com/google-gemini/gemini-cli/issues/8437 for quotas by the day.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import (
    ContextLengthExceeded,
    UpstreamAuthFailed,
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

_MAX_DEPTH: Final = 4
"""How many wrappings of an error object are opened."""
_MAX_DETAILS: Final = 16
_STATUSES: Final = range(400, 1000)

_BY_REASON: Final[Mapping[str, type[UpstreamError]]] = {
    **dict.fromkeys(
        (
            *("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "SERVICE_DISABLED"),
            *("API_KEY_IP_ADDRESS_BLOCKED", "API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED"),
            *("CONSUMER_INVALID", "CONSUMER_SUSPENDED", "CREDENTIALS_MISSING", "IAM_PERMISSION_DENIED"),
            *("ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            *("ACCOUNT_STATE_INVALID", "SECURITY_POLICY_VIOLATED", "USER_PROJECT_DENIED"),
        ),
        UpstreamAuthFailed,
    ),
    "BILLING_DISABLED": UpstreamQuotaExhausted,
    "RATE_LIMIT_EXCEEDED": UpstreamRateLimited,
}

_BY_STATUS: Final[Mapping[str, type[UpstreamError]]] = {
    "INVALID_ARGUMENT": UpstreamRejected,
    "FAILED_PRECONDITION": UpstreamRejected,
    "OUT_OF_RANGE": UpstreamRejected,
    "UNIMPLEMENTED": UpstreamRejected,
    "UNAUTHENTICATED": UpstreamAuthFailed,
    "PERMISSION_DENIED": UpstreamAuthFailed,
    "NOT_FOUND": UpstreamModelNotFound,
    "RESOURCE_EXHAUSTED": UpstreamRateLimited,
    "UNAVAILABLE": UpstreamOverloaded,
    "DEADLINE_EXCEEDED": UpstreamFailed,
    "CANCELLED": UpstreamFailed,
    "ABORTED": UpstreamFailed,
    "INTERNAL": UpstreamFailed,
    "UNKNOWN": UpstreamFailed,
    "DATA_LOSS": UpstreamFailed,
}

_CONTEXT_WORDS: Final = re.compile(
    r"input token count[^.]{0,64}(?:exceeds the maximum|only supports up to)|exceeds the maximum number of tokens"
)
_CREDIT_WORDS: Final = re.compile(r"credits are depleted|spend(?:ing)? (?:cap|limit)|billing account .{0,64}disabled")
_PLACE_WORDS: Final = re.compile(r"user location is not supported|not available in your country")
"""The account may not be used from where the gateway is."""
_BY_THE_DAY: Final = re.compile(r"per_?(?:day|month)", re.IGNORECASE)


class _Report:
    """What an error body says."""

    __slots__ = ("by_the_day", "delay", "message", "number", "param", "reason", "status")

    def __init__(self, body: bytes) -> None:
        error = _innermost(_json(body))
        self.status = word(error.get("status"))
        number = error.get("code")
        self.number = number if type(number) is int and number in _STATUSES else 0
        message = error.get("message")
        self.message = message if isinstance(message, str) else body[: 2 * MAX_FOREIGN_BYTES].decode("utf-8", "replace")
        self.reason = self.param = self.delay = ""
        self.by_the_day = False
        """Whether a quota is used up that is whole again only after hours."""
        for kind, detail in _details(error):
            self._learn(kind, detail)

    def _learn(self, kind: str, detail: Mapping[str, Any]) -> None:
        if kind == "ErrorInfo":
            self.reason = self.reason or word(detail.get("reason"))
        elif kind == "RetryInfo" and isinstance(detail.get("retryDelay"), str):
            self.delay = detail["retryDelay"].removesuffix("s")
        elif kind == "QuotaFailure":
            quotas = [entry.get("quotaId") or entry.get("quotaMetric") for entry in _entries(detail, "violations")]
            self.by_the_day |= any(isinstance(quota, str) and _BY_THE_DAY.search(quota) for quota in quotas)
        elif kind == "BadRequest":
            fields = [parameter(entry.get("field")) for entry in _entries(detail, "fieldViolations")]
            self.param = self.param or next(filter(None, fields), "")

    @property
    def kind(self) -> type[UpstreamError] | None:
        """What the body says, None if nothing."""
        by_status = _BY_STATUS.get(self.status)
        if self.reason in _BY_REASON:
            return UpstreamQuotaExhausted if self.by_the_day else _BY_REASON[self.reason]
        words = self.message.lower()
        if by_status is UpstreamRateLimited and (self.by_the_day or _CREDIT_WORDS.search(words)):
            return UpstreamQuotaExhausted
        if by_status is UpstreamRejected and _CONTEXT_WORDS.search(words):
            return ContextLengthExceeded
        if by_status is UpstreamRejected and _PLACE_WORDS.search(words):
            return UpstreamAuthFailed
        return by_status


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of."""
    report = _Report(body)
    kind = (report.kind if status in _STATUSES else None) or kind_of_status(status)
    return _failure(kind, report, status, retry_after_s=_wait(headers, report))


def reported_error(body: bytes) -> UpstreamError:
    """The failure that an error inside an answer with status 200 tells of."""
    report = _Report(body)
    kind = report.kind or (kind_of_status(report.number) if report.number else UpstreamFailed)
    return _failure(kind, report, 200, retry_after_s=_wait({}, report))


def _failure(kind: type[UpstreamError], report: _Report, status: int, *, retry_after_s: float | None) -> UpstreamError:
    return failure(
        kind,
        status=status,
        code=report.reason or report.status or word(report.number or None),
        param=report.param,
        message=report.message,
        retry_after_s=retry_after_s,
    )


def _wait(headers: Mapping[str, str], report: _Report) -> float | None:
    """Seconds to wait: the header's, else those of google.rpc.RetryInfo."""
    wait = retry_after(headers)
    return retry_after({"retry-after": report.delay}) if wait is None and report.delay else wait


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _innermost(value: Any) -> dict[str, Any]:
    """The object that holds code, message and status: {"error": {...}}, [{"error": {...}}]."""
    for _ in range(_MAX_DEPTH):
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, dict) and isinstance(value.get("error"), dict | list) and value["error"]:
            value = value["error"]
        else:
            break
    return value if isinstance(value, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The details, each with the name of its type."""
    for detail in _entries(error, "details"):
        kind = detail.get("@type")
        if isinstance(kind, str):
            yield kind.rpartition(".")[2], detail


def _entries(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = holder.get(name)
    return [each for each in entries[:_MAX_DETAILS] if isinstance(each, dict)] if isinstance(entries, list) else []
