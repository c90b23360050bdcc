"""How a call ends, as what a caller sees of it: gRPC code, message and google.rpc details.

1. One table turns an exception into an ending; interceptors and records share it.
2. The text of what nobody foresaw stays home.
3. Details stay below MAX_DETAILS bytes together, since they travel in trailers, in base64, of which peers take 8 KiB.
4. Every failure says whether a repeat helps: a delay, or -1.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.errors import (
    CallCancelled,
    DeadlineExceeded,
    GatewayError,
    InternalFault,
    QuotaExceeded,
    UpstreamError,
)

DOMAIN: Final = "trunkline.dev"
MAX_DETAILS: Final = 5 * 1024
OVERHEAD: Final = 64
"""Bytes that the name of a detail's type takes."""
RETRY_INFO: Final = OVERHEAD + 32
"""Bytes of a RetryInfo at most."""
MAX_MESSAGE: Final = 1024
"""Bytes of a status message; longer ones are cut."""
MAX_VIOLATIONS: Final = 16
MAX_VIOLATION_TEXT: Final = 256
"""Characters of a violation's path and of its text."""
MAX_ATTEMPTS: Final = 8
NO_RETRY: Final = -1
TIMER_SLACK_S: Final = 0.002
"""uvloop's timers count whole milliseconds and may fire a little early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The failure that a caller is sent."""

    status: status_pb2.Status
    pushback_ms: int
    """Value of `grpc-retry-pushback-ms`: milliseconds after which a repeat may help, or NO_RETRY."""


class CallEnded(Exception):
    """Carries an ending from the Errors interceptor to the adapter."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self.ending = ending


def foreseen(error: BaseException, call: Call, *, now: float, cancelling: bool) -> GatewayError:
    """The failure that an exception stands for.

    `cancelling` is whether somebody asked for the cancellation of the call's task: a CancelledError without it is a
    stray one from inside, which must become a status, or the caller hangs (grpc/grpc#29248).
    """
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, asyncio.CancelledError) and cancelling:
        if now >= call.deadline - TIMER_SLACK_S:
            return DeadlineExceeded("the deadline of the call came before the answer was whole")
        return CallCancelled("the caller went away")
    return InternalFault("the gateway failed; its log says how, under the id of this request")


def ending(error: GatewayError, call: Call) -> Ending:
    """What the caller is sent for a failure."""
    details = [_error_info(error, call)]
    if error.violations:
        details.append(_bad_request(error, MAX_DETAILS - details[0].ByteSize() - OVERHEAD))
    if isinstance(error, QuotaExceeded):
        details.append(_quota_failure(error, MAX_DETAILS - details[0].ByteSize() - OVERHEAD - RETRY_INFO))
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(_milliseconds(error.retry_after_s))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    room = MAX_DETAILS - sum(detail.ByteSize() + OVERHEAD for detail in details)
    if (partial := _partial_result(call, room)) is not None:
        details.append(partial)
    return Ending(
        status=status_pb2.Status(
            code=error.code,
            message=error.message.encode()[:MAX_MESSAGE].decode(errors="ignore"),
            details=[_packed(detail) for detail in details],
        ),
        pushback_ms=NO_RETRY if error.retry_after_s is None else _milliseconds(error.retry_after_s),
    )


def _error_info(error: GatewayError, call: Call) -> Message:
    info = error_details_pb2.ErrorInfo(
        reason=error.reason_name,
        domain=DOMAIN,
        metadata={"request_id": call.request_id},
    )
    if isinstance(error, UpstreamError):
        if error.http_status:
            info.domain = error.provider or DOMAIN  # it answered; silence is told by the gateway
        facts = {
            "provider": error.provider,
            "native_code": error.native_code,
            "param": error.param,
            "http_status": str(error.http_status) if error.http_status else "",
        }
        for key, value in facts.items():
            if value:
                info.metadata[key] = value
    return info


def _bad_request(error: GatewayError, room: int) -> Message:
    """The violations, the last ones left out where there is no room."""
    request = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=violation.field[:MAX_VIOLATION_TEXT], description=violation.description[:MAX_VIOLATION_TEXT]
            )
            for violation in error.violations[:MAX_VIOLATIONS]
        ]
    )
    while request.ByteSize() > room:
        del request.field_violations[-1]
    return request


def _quota_failure(error: QuotaExceeded, room: int) -> Message:
    """The limits that were not passed, the last ones left out where there is no room."""
    failure = error_details_pb2.QuotaFailure(
        violations=[
            error_details_pb2.QuotaFailure.Violation(
                subject=f"limit:{each.limit}"[:MAX_VIOLATION_TEXT], description=each.description[:MAX_VIOLATION_TEXT]
            )
            for each in error.exceeded[:MAX_VIOLATIONS]
        ]
    )
    while failure.ByteSize() > room:
        del failure.violations[-1]
    return failure


def _partial_result(call: Call, room: int) -> v1.PartialResult | None:
    """What had happened by then, the oldest attempts left out where there is no room; None if nothing had."""
    if not call.attempts and call.usage is None:
        return None
    partial = v1.PartialResult(usage=call.usage, content_sent=call.content_sent)
    if call.cost_nano_usd is not None:
        partial.cost.nano_usd = call.cost_nano_usd
        partial.cost.price_version = call.price_version
    for attempt in call.attempts[-MAX_ATTEMPTS:]:
        partial.attempts.add().CopyFrom(attempt)
        partial.attempts[-1].ClearField("left_out")
    while partial.attempts and partial.ByteSize() > room:
        del partial.attempts[0]
    return partial


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def _milliseconds(seconds: float) -> int:
    """Rounded up: who waits that long has waited long enough."""
    return max(1, math.ceil(seconds * 1000))
