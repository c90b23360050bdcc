"""Turns a gRPC status into an exception. The one place where google.rpc details are read.

A status without details was not made by the gateway's own chain but by gRPC, here or there, or by something between:
it gets a reason of the client's own.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from trunkline import v1
from trunkline.errors import (
    CLIENT_DOMAIN,
    CONNECTION_LOST,
    GATEWAY_UNREACHABLE,
    FieldViolation,
    TrunklineError,
    error_class,
)

__all__ = ["error_from_outcome", "error_from_rpc", "error_from_status"]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}
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
    reason = (info.reason if info else "") or _own_reason(code, begun=begun)
    if reason == CONNECTION_LOST:
        message = f"the connection to the gateway broke in the middle of the answer ({message or code})"
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


def _own_reason(code: str, *, begun: bool) -> str:
    """The reason of a failure that came without one."""
    if code != "UNAVAILABLE":
        return code
    return CONNECTION_LOST if begun else GATEWAY_UNREACHABLE


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
    if retry is None or not retry.HasField("retry_delay"):
        return None
    return timedelta(seconds=retry.retry_delay.seconds, microseconds=retry.retry_delay.nanos // 1_000)


def _violations(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    bad = _detail(status, error_details_pb2.BadRequest()) or error_details_pb2.BadRequest()
    quota = _detail(status, error_details_pb2.QuotaFailure()) or error_details_pb2.QuotaFailure()
    return (
        *(FieldViolation(field=each.field, description=each.description) for each in bad.field_violations),
        *(FieldViolation(field=each.subject, description=each.description) for each in quota.violations),
    )
