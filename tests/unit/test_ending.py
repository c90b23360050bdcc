"""How exceptions become what a caller sees."""

import asyncio
import base64

import pytest
from google.rpc import code_pb2, error_details_pb2

from trunkline import v1
from trunkline_server.core import errors
from trunkline_server.core.call import Call
from trunkline_server.core.ending import MAX_DETAILS, NO_RETRY, ending, foreseen

NOW = 100.0


def a_call(**fields):
    return Call(
        request_id="r-1",
        method="/a/b",
        metadata={},
        metadata_pairs=(),
        peer="ipv4:127.0.0.1:1",
        started_at=NOW,
        **fields,
    )


def detail(last, kind):
    for packed in last.status.details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


def test_every_error_class_names_a_code_and_a_reason_of_its_own():
    """No two failures look the same, and each is a failure."""
    classes = [getattr(errors, name) for name in errors.__all__]
    classes = [one for one in classes if isinstance(one, type) and issubclass(one, errors.GatewayError)]
    assert all(one.code != code_pb2.OK for one in classes)
    reasons = [one.reason for one in classes if one not in (errors.GatewayError, errors.UpstreamError)]
    assert len(reasons) == len(set(reasons))
    assert v1.ERROR_REASON_UNSPECIFIED not in reasons


def test_a_failure_carries_reason_domain_and_request():
    """ErrorInfo says what, who and which call."""
    info = detail(ending(errors.ModelNotFound("no model"), a_call()), error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, info.metadata["request_id"]) == ("MODEL_NOT_FOUND", "trunkline.dev", "r-1")


def test_of_a_provider_only_code_status_and_path_leave():
    """The provider's words stay home."""
    error = errors.UpstreamRejected(
        "the provider refused", http_status=400, native_code="bad_thing", param="a[0]", foreign_message="CANARY"
    )
    error.provider = "openai"
    last = ending(error, a_call())
    info = detail(last, error_details_pb2.ErrorInfo)
    assert info.domain == "openai"
    assert dict(info.metadata) == {
        "request_id": "r-1",
        "provider": "openai",
        "native_code": "bad_thing",
        "param": "a[0]",
        "http_status": "400",
    }
    assert b"CANARY" not in last.status.SerializeToString()


def test_a_provider_that_said_nothing_is_not_the_domain():
    """Silence is told by the gateway; which provider it was stands beside it."""
    error = errors.UpstreamUnreachable("no connection could be made")
    error.provider = "openai"
    info = detail(ending(error, a_call()), error_details_pb2.ErrorInfo)
    assert (info.domain, info.metadata["provider"]) == ("trunkline.dev", "openai")


def test_retry_info_and_pushback_say_the_same():
    """A failure that a repeat may mend says when; one that it can't says -1."""
    soon = ending(errors.Overloaded("full", retry_after_s=1.5), a_call())
    assert detail(soon, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == soon.pushback_ms == 1500
    never = ending(errors.ModelNotFound("no model"), a_call())
    assert detail(never, error_details_pb2.RetryInfo) is None
    assert never.pushback_ms == NO_RETRY


def test_a_wait_is_told_long_enough():
    """A part of a millisecond is rounded up, so that who waits as told does not come too early."""
    last = ending(errors.Overloaded("full", retry_after_s=0.0121), a_call())
    assert detail(last, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 13
    assert last.pushback_ms == 13


def test_a_refusal_by_limits_names_each_of_them():
    """QuotaFailure has a violation for each limit, and the message says the first and how many more."""
    exceeded = [errors.QuotaViolation(limit=name, description="allows 600; 0 are left") for name in ("a", "b")]
    last = ending(errors.QuotaExceeded(*exceeded, retry_after_s=12), a_call())
    failure = detail(last, error_details_pb2.QuotaFailure)
    assert [each.subject for each in failure.violations] == ["limit:a", "limit:b"]
    assert last.status.code == code_pb2.RESOURCE_EXHAUSTED
    assert last.status.message == "limit a: allows 600; 0 are left (and 1 more)"
    assert detail(last, error_details_pb2.RetryInfo).retry_delay.seconds == 12


def test_details_stay_within_their_bound():
    """However much went wrong, details fit into trailers: the oldest attempts go first."""
    call = a_call()
    for number in range(20):
        call.attempts.append(v1.Attempt(deployment="d" * 900, native_code=str(number), left_out=["x" * 500] * 9))
    violations = tuple(errors.FieldViolation(field="f" * 300, description="d" * 900) for _ in range(16))
    last = ending(errors.InvalidRequest(*violations), call)
    assert sum(packed.ByteSize() for packed in last.status.details) <= MAX_DETAILS
    assert len(base64.b64encode(last.status.SerializeToString())) < 8192
    assert detail(last, error_details_pb2.BadRequest).field_violations
    exceeded = (errors.QuotaViolation(limit="l" * 300, description="d" * 900) for _ in range(16))
    refused = ending(errors.QuotaExceeded(*exceeded, retry_after_s=1e9), call)
    assert sum(packed.ByteSize() for packed in refused.status.details) <= MAX_DETAILS
    assert detail(refused, error_details_pb2.QuotaFailure).violations
    assert detail(refused, error_details_pb2.RetryInfo).retry_delay.seconds == 1e9
    alone = ending(errors.UpstreamFailed("down"), call)
    assert detail(alone, v1.PartialResult).attempts[-1].native_code == "19"


def test_what_nobody_foresaw_keeps_its_text():
    """A stray exception becomes INTERNAL in our own words."""
    failure = foreseen(RuntimeError("CANARY"), a_call(), now=NOW, cancelling=False)
    last = ending(failure, a_call())
    assert last.status.code == code_pb2.INTERNAL
    assert b"CANARY" not in last.status.SerializeToString()


@pytest.mark.parametrize(
    ("now", "cancelling", "kind"),
    [
        (NOW + 1, True, errors.CallCancelled),
        (NOW + 10, True, errors.DeadlineExceeded),
        (NOW + 1, False, errors.InternalFault),
        (NOW + 10, False, errors.InternalFault),
    ],
)
def test_a_cancellation_is_told_by_who_asked_for_it_and_when(now, cancelling, kind):
    """Asked for: the caller's or, past the deadline, ours. Not asked for: a fault."""
    failure = foreseen(asyncio.CancelledError(), a_call(deadline=NOW + 5), now=now, cancelling=cancelling)
    assert type(failure) is kind
