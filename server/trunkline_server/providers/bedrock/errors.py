"""Bedrock's failures as ours, by the names that its service model gives them.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html; for the words of a ValidationException
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html.
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
from trunkline_server.providers.failure import MAX_FOREIGN_BYTES, failure, kind_of_status, retry_after, word

__all__ = ["error_of", "reported_error"]

_BY_CODE: Final[Mapping[str, type[UpstreamError]]] = {
    "accessdeniedexception": UpstreamAuthFailed,
    "accessdenied": UpstreamAuthFailed,
    "expiredtoken": UpstreamAuthFailed,
    "expiredtokenexception": UpstreamAuthFailed,
    "incompletesignature": UpstreamAuthFailed,
    "incompletesignatureexception": UpstreamAuthFailed,
    "invalidclienttokenid": UpstreamAuthFailed,
    "invalidsignatureexception": UpstreamAuthFailed,
    "missingauthenticationtoken": UpstreamAuthFailed,
    "missingauthenticationtokenexception": UpstreamAuthFailed,
    "notauthorized": UpstreamAuthFailed,
    "optinrequired": UpstreamAuthFailed,
    "unrecognizedclientexception": UpstreamAuthFailed,
    "internalfailure": UpstreamFailed,
    "internalserverexception": UpstreamFailed,
    "modelerrorexception": UpstreamFailed,
    "modelstreamerrorexception": UpstreamFailed,
    "modeltimeoutexception": UpstreamFailed,
    "requestexpired": UpstreamFailed,  # a clock that is wrong, or a request that waited
    "modelnotreadyexception": UpstreamOverloaded,  # it is being loaded
    "serviceunavailable": UpstreamOverloaded,
    "serviceunavailableexception": UpstreamOverloaded,
    "servicequotaexceededexception": UpstreamRateLimited,
    "throttling": UpstreamRateLimited,
    "throttlingexception": UpstreamRateLimited,
    "toomanyrequestsexception": UpstreamRateLimited,
    "resourcenotfoundexception": UpstreamModelNotFound,
    "validationerror": UpstreamRejected,
    "validationexception": UpstreamRejected,
    "serializationexception": UpstreamRejected,
    "unknownoperationexception": UpstreamModelNotFound,
}

_OF_WORDS: Final[tuple[tuple[re.Pattern[str], type[UpstreamError]], ...]] = (
    (
        re.compile(
            r"input is too long|prompt is too long|too many input tokens|maximum context length|context window"
            r"|exceeds? the (?:maximum|model).{0,40}(?:tokens|context)|exceed context limit|input length and"
        ),
        ContextLengthExceeded,
    ),
    (re.compile(r"model identifier is invalid|end of its life"), UpstreamModelNotFound),
    (re.compile(r"content filtering policy|blocked by (?:the )?guardrail"), UpstreamContentPolicy),
    (re.compile(r"invalid_payment_instrument|payment instrument"), UpstreamQuotaExhausted),
)
"""What a ValidationException or AccessDeniedException is about stands in its words alone."""
_OF_MODEL: Final = (400, 413, 429, 503, 529)
"""Statuses of the model behind Bedrock that say more than that it failed."""
_MANY: Final = frozenset({UpstreamRejected, UpstreamAuthFailed})
_MAX_SEARCHED: Final = 4096
"""Characters of a message that are looked through."""


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of. Never raises."""
    told = _object(body)
    code = word(_short(headers.get("x-amzn-errortype", ""))) or word(_short(_text(told, "__type")))
    code = code or word(_short(_text(told, "code")))
    message = _message(told, body)
    return failure(
        _kind(code, message, told) or kind_of_status(status),
        status=status,
        code=code,
        message=message,
        retry_after_s=retry_after(headers),
    )


def reported_error(name: bytes, payload: bytes) -> UpstreamError:
    """The failure that a message in a stream tells of. Never raises."""
    code = word(_short(name.decode("ascii", "replace")))
    told = _object(payload)
    message = _text(told, "originalMessage") or _message(told, payload)
    return failure(_kind(code, message, told) or UpstreamFailed, status=200, code=code, message=message)


def _kind(code: str, message: str, told: Mapping[str, Any]) -> type[UpstreamError] | None:
    kind = _BY_CODE.get(code.lower())
    if kind is UpstreamFailed and told.get("originalStatusCode") in _OF_MODEL:
        kind = kind_of_status(told["originalStatusCode"])
    if kind in _MANY:
        said = message[:_MAX_SEARCHED].lower()
        return next((meant for words, meant in _OF_WORDS if words.search(said)), kind)
    return kind


def _short(code: str) -> str:
    """The name alone: "ThrottlingException:http://internal.amazon.com/...", "com.amazon.coral#ThrottlingException"."""
    return code.partition(":")[0].rpartition("#")[2]


def _message(told: Mapping[str, Any], body: bytes) -> str:
    message = _text(told, "message") or _text(told, "Message")
    return message or body[: 2 * MAX_FOREIGN_BYTES].decode("utf-8", "replace")


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
