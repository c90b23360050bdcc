"""Turns a gRPC status into an exception. The one place where google.rpc details are read.

A status without details was not made by the gateway's own chain but by gRPC, here or there, or by something between:
it gets a reason of the client's own.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from trunkline import v1
from trunkline.errors import (
    CLIENT_CLOSED,
    CLIENT_DOMAIN,
    CONNECTION_LOST,
    GATEWAY_UNREACHABLE,
    MESSAGE_TOO_LARGE,
    TLS_FAILED,
    BrokenStream,
    FieldViolation,
    TrunklineError,
    error_class,
)

__all__ = ["error_from_outcome", "error_from_rpc", "error_from_status", "readable"]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}
_HTTP_STATUS: Final = re.compile(r"Received http2 header with status: ([0-9]{3})")
"""gRPC's words for an answer that is no gRPC."""
_TOO_LARGE: Final = re.compile(
    r"(?:(CLIENT|SERVER): )?(Sent|Received|Decompressed) message larger than max(?: \((\d+) vs. (\d+)\))?"
)
"""gRPC's words for a message beyond a bound, by whom it was refused, with its size and the bound."""
_NO_STATUS: Final = ("No status received", "Stream removed")
_CLOSED: Final = "Channel closed!"
_SIGNS: Final = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        TLS_FAILED,
        "the gateway's certificate comes from no authority that this client trusts; name its authority as ca_file",
    ),
    (
        "Hostname Verification Check failed",
        TLS_FAILED,
        "the gateway's certificate is for another name than the target's host; name the one it has as server_name",
    ),
    ("WRONG_VERSION_NUMBER", TLS_FAILED, "the gateway speaks no TLS on this port; tls=False is for plaintext"),
    ("Tls handshake failed", TLS_FAILED, "no agreement about TLS with the gateway"),
    (
        "Socket closed",
        GATEWAY_UNREACHABLE,
        "the connection was closed at its beginning; the gateway may want TLS (tls), or a certificate (tls.cert_file)",
    ),
)
"""Signs in gRPC's words for a connection that could not be made: the reason, and the sentence that helps."""
MAX_DELAY_S: Final = 315_576_000_000
"""Longest Duration that protobuf allows, 10,000 years."""
NANOS: Final = 1_000_000_000
_Detail = TypeVar("_Detail", bound=Message)


def error_from_rpc(failure: grpc.RpcError, request_id: str, *, begun: bool = False) -> TrunklineError:
    """The exception for a failed call. Calls of grpc and of grpc.aio answer the same questions.

    `begun` says that a message had come. Headers that came say so too: the gateway sends none before the first content.
    """
    if not isinstance(failure, grpc.Call | grpc.aio.AioRpcError):
        return TrunklineError(str(failure), request_id=request_id)
    return error_from_status(
        failure.code().name,
        failure.details() or "",
        failure.trailing_metadata() or (),
        request_id,
        begun=begun or bool(failure.initial_metadata()),
    )


def readable(answer: Any, request_id: str) -> Any:
    """The answer to a unary call. Raises BrokenStream for None: gRPC's word for OK without a message it can read."""
    if answer is None:
        raise BrokenStream("the call ended with OK and without an answer that can be read", request_id=request_id)
    return answer


def error_from_status(
    code: str, message: str, trailers: Iterable[tuple[str, str | bytes]], request_id: str, *, begun: bool = False
) -> TrunklineError:
    """The exception for a status code's name, its message and the trailing metadata that came with it."""
    return _error(code, message, _rich_status(trailers), request_id, begun=begun)


def error_from_outcome(outcome: v1.GetOutcomeResponse) -> TrunklineError:
    """The exception that a call which has ended was, or would have been, raised with."""
    status = status_pb2.Status(details=outcome.details)
    return _error(_CODES.get(outcome.code, "UNKNOWN"), outcome.status_message, status, outcome.request_id, begun=False)


def _error(code: str, message: str, status: status_pb2.Status, request_id: str, *, begun: bool) -> TrunklineError:
    info = _detail(status, error_details_pb2.ErrorInfo())
    retry = _detail(status, error_details_pb2.RetryInfo())
    reason = info.reason if info else ""
    if not reason:
        reason, message = _own_words(code, message, begun=begun)
    return error_class(code)(
        message or f"the call failed with {code}",
        code=code,
        reason=reason,
        domain=info.domain if info and info.reason else CLIENT_DOMAIN,
        retry_after=_duration(retry),
        violations=_violations(status),
        partial=_detail(status, v1.PartialResult()),
        request_id=request_id,
    )


def _own_words(code: str, message: str, *, begun: bool) -> tuple[str, str]:
    """Reason and message of a failure that came without a reason: gRPC made it, here or there, or something between."""
    http = _HTTP_STATUS.search(message)
    if http is not None:
        return f"HTTP_{http[1]}", f"something before the gateway, a proxy perhaps, answered with HTTP status {http[1]}"
    if code == "CANCELLED" and _CLOSED in message:
        return CLIENT_CLOSED, "the client was closed"
    large = _TOO_LARGE.search(message) if code == "RESOURCE_EXHAUSTED" else None
    if large is not None:
        return MESSAGE_TOO_LARGE, f"{_too_large(large)} ({message})"
    no_status = code == "UNKNOWN" and message.startswith(_NO_STATUS)
    if begun and (no_status or code == "UNAVAILABLE"):
        return CONNECTION_LOST, f"the connection to the gateway broke in the middle of the answer ({message or code})"
    if no_status:
        return "NO_STATUS", f"the answer had no gRPC status; is it a gateway that the target names? ({message})"
    if code != "UNAVAILABLE":
        return code, message
    for sign, reason, sentence in _SIGNS:
        if sign in message:
            return reason, f"{sentence} ({message})"
    return GATEWAY_UNREACHABLE, message


def _too_large(large: re.Match[str]) -> str:
    side, verb, size, bound = large.groups()
    if side == "CLIENT" and verb == "Received":
        return f"the answer has {int(size or 0):,} bytes, and this client takes at most {int(bound or 0):,}"
    who = "this client sends" if verb == "Sent" else "the gateway takes"
    told = f"has {int(size):,} bytes, and {who} at most {int(bound):,}" if size else f"has more bytes than {who}"
    return f"the request {told}; send files by their address, v1.Media(uri=...), or fewer at once"


def _rich_status(trailers: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status:
    """The google.rpc.Status in the trailers; an empty one if there is none or it can't be read."""
    for key, value in trailers:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _detail(status: status_pb2.Status, empty: _Detail) -> _Detail | None:
    for packed in status.details:
        try:
            if packed.Unpack(empty):
                return empty
        except DecodeError:
            return None
    return None


def _duration(retry: error_details_pb2.RetryInfo | None) -> timedelta | None:
    """The delay; None for none, and for one that is no delay. A Duration holds more than protobuf allows in it."""
    if retry is None or not retry.HasField("retry_delay"):
        return None
    if not 0 <= retry.retry_delay.seconds <= MAX_DELAY_S or not 0 <= retry.retry_delay.nanos < NANOS:
        return None
    return timedelta(seconds=retry.retry_delay.seconds, microseconds=retry.retry_delay.nanos // 1_000)


def _violations(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    bad = _detail(status, error_details_pb2.BadRequest()) or error_details_pb2.BadRequest()
    quota = _detail(status, error_details_pb2.QuotaFailure()) or error_details_pb2.QuotaFailure()
    return (
        *(FieldViolation(field=each.field, description=each.description) for each in bad.field_violations),
        *(FieldViolation(field=each.subject, description=each.description) for each in quota.violations),
    )
