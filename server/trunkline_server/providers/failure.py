"""Failures of providers, as every dialect tells them.

1. Of an answer only HTTP status, code and parameter path leave, and only in a narrow set of characters; the provider's
   words go to `foreign_message`, cut.
2. Nothing here raises, whatever the answer is.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final

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

__all__ = ["MAX_FOREIGN_BYTES", "failure", "kind_of_status", "parameter", "retry_after", "word"]

MAX_FOREIGN_BYTES: Final = 512
"""Of the provider's words so much is kept."""
_MAX_RETRY_AFTER_S: Final = 3600.0

_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)

_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARAM: Final = re.compile(r"[A-Za-z0-9._\-\[\]]{1,128}")
_DURATION: Final = re.compile(
    r"(?:(\d{1,3})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,5}(?:\.\d{1,9})?)s)?(?:(\d{1,7}(?:\.\d{1,9})?)ms)?"
)
"""Go's way to write a duration, as rate-limit headers do: "1m30.5s", "12ms"."""

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


def failure(
    kind: type[UpstreamError],
    *,
    status: int,
    code: str = "",
    param: str = "",
    message: str = "",
    retry_after_s: float | None = None,
) -> UpstreamError:
    """A failure of this kind, with what the provider told of it.

    `code` and `param` are what `word` and `parameter` gave; `message` is the provider's own, whole.
    """
    told = [f"HTTP {status}"]
    if code:
        told.append(f"code {code}")
    if param:
        told.append(f"parameter {param}")
    return kind(
        f"{_SAID[kind]} ({', '.join(told)})",
        http_status=status,
        native_code=code,
        param=param,
        foreign_message=message.encode("utf-8", "replace")[:MAX_FOREIGN_BYTES].decode("utf-8", "ignore"),
        retry_after_s=retry_after_s if issubclass(kind, _REPEATABLE) else None,
    )


def kind_of_status(status: int) -> type[UpstreamError]:
    """What a status means where nothing else does. One below 300 that brings a failure is malformed."""
    if kind := _BY_STATUS.get(status):
        return kind
    if status in _CLIENT_ERRORS:
        return UpstreamRejected
    if status in _SERVER_ERRORS or status in _REDIRECTS:  # redirects are not followed
        return UpstreamFailed
    return UpstreamMalformed


def word(value: Any) -> str:
    """A code that may leave; anything else is dropped."""
    if type(value) is int:
        value = str(value) if abs(value) < 10**9 else ""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def parameter(value: Any) -> str:
    """Path of a parameter that may leave; anything else is dropped."""
    return value if isinstance(value, str) and _PARAM.fullmatch(value) else ""


def retry_after(headers: Mapping[str, str], resets: Iterable[tuple[str, str]] = ()) -> float | None:
    """Seconds to wait, 0 to 3600. A date counts from the provider's own clock, its `date` header.

    `resets`: pairs of header names, of what is left of a limit and when it is whole again. Where the provider gives no
    Retry-After, the longest reset of a limit of which nothing is left stands in: a number of seconds, a duration like
    "1m30s" or a date (RFC 3339).
    """
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
    waits = [_reset(headers.get(reset, ""), headers) for left, reset in resets if headers.get(left, "").strip() == "0"]
    return max((wait for wait in waits if wait is not None), default=None)


def _reset(text: str, headers: Mapping[str, str]) -> float | None:
    text = text.strip()
    try:
        if (parts := _DURATION.fullmatch(text)) and any(parts.groups()):
            hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
            return _bounded(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)
        if text.replace(".", "", 1).isdigit():
            return _bounded(float(text))
        now = headers.get("date")
        if text and now:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=None) - (moment.utcoffset() or moment - moment)
            return _bounded((moment - _date(now)).total_seconds())
    except (ValueError, OverflowError, TypeError):
        pass
    return None


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date.replace(tzinfo=None) - (date.utcoffset() or date - date)


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S) if isfinite(seconds) else None
