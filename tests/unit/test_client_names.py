"""What the client loads, and the names and failures it makes."""

import subprocess
import sys
from datetime import timedelta
from importlib import metadata
from uuid import UUID

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

import trunkline
from trunkline.connection import Connection
from trunkline.request_id import checked_request_id, new_request_id, uuid7
from trunkline.status import error_from_status


@pytest.mark.parametrize(
    "program",
    [
        "import trunkline",
        "from trunkline import v1; v1.CompleteRequest()",
        "import trunkline; trunkline.NotFound; trunkline.Fold; trunkline.v1.ROLE_USER",
        "import trunkline_server.cli",
    ],
)
def test_grpc_is_loaded_by_clients_alone(program):
    """Neither the package, the contract, the errors nor the command line load gRPC."""
    check = f"{program}\nimport sys; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_every_public_name_is_there():
    """What `__all__` lists can be had, and what it does not list is an AttributeError."""
    assert all(getattr(trunkline, name) is not None for name in trunkline.__all__)
    assert set(trunkline.__all__) <= set(dir(trunkline))
    with pytest.raises(AttributeError, match="Clint"):
        _ = trunkline.Clint


def test_the_package_tells_its_version():
    """trunkline.__version__ is that of the installed distribution."""
    assert trunkline.__version__ == metadata.version("trunkline")
    assert "__version__" in dir(trunkline)


def test_a_uuid7_is_as_the_rfc_shows_it():
    """The example of RFC 9562, appendix A.6, comes out bit for bit."""
    rand = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert uuid7(0x017F22E279B0, rand) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_uuids_sort_by_time(unix_ms, one, other):
    """A later millisecond gives a greater id, whatever the random bytes; version and variant are always set."""
    early, late = uuid7(unix_ms, one), uuid7(unix_ms + 1, other)
    assert early < late
    assert (UUID(early).version, UUID(early).variant) == (7, "specified in RFC 4122")


def test_request_ids_can_travel():
    """New ids differ; a given one is taken as it is, and refused if metadata can't carry it."""
    assert new_request_id() != new_request_id()
    assert checked_request_id("a-b_c") == "a-b_c"
    for bad in ("", "a b", "ü", "a\n", "x" * 129):
        with pytest.raises(ValueError, match="request_id"):
            checked_request_id(bad)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", trunkline.InvalidRequest),
        ("NOT_FOUND", trunkline.NotFound),
        ("UNAUTHENTICATED", trunkline.Unauthenticated),
        ("PERMISSION_DENIED", trunkline.PermissionDenied),
        ("RESOURCE_EXHAUSTED", trunkline.RateLimited),
        ("FAILED_PRECONDITION", trunkline.PreconditionFailed),
        ("DEADLINE_EXCEEDED", trunkline.DeadlineExceeded),
        ("UNAVAILABLE", trunkline.Unavailable),
        ("CANCELLED", trunkline.Cancelled),
        ("INTERNAL", trunkline.InternalError),
        ("UNIMPLEMENTED", trunkline.Unimplemented),
        ("ABORTED", trunkline.Aborted),
        ("ALREADY_EXISTS", trunkline.AlreadyExists),
        ("DATA_LOSS", trunkline.TrunklineError),
    ],
)
def test_each_code_has_its_exception(code, kind):
    """A status without details becomes the exception of its code, with a reason of the client's and a sentence."""
    failure = error_from_status(code, "", (), "r")
    assert type(failure) is kind
    reason = "GATEWAY_UNREACHABLE" if code == "UNAVAILABLE" else code
    assert (failure.code, failure.violations, failure.partial) == (code, (), None)
    assert (failure.reason, failure.domain) == (reason, "client.trunkline.dev")
    assert code in str(failure)


def test_details_that_cannot_be_read_hide_nothing():
    """Broken or unknown details leave code and message standing."""
    status = status_pb2.Status(code=8, message="m")
    status.details.add(type_url="type.googleapis.com/unknown.Detail", value=b"\xff")
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")
    for blob in (b"\xff\xff\xff", status.SerializeToString()):
        failure = error_from_status("RESOURCE_EXHAUSTED", "m", [("grpc-status-details-bin", blob)], "r")
        assert isinstance(failure, trunkline.RateLimited)
        assert (failure.message, failure.reason) == ("m", "RESOURCE_EXHAUSTED")


def test_a_quota_names_its_limit():
    """QuotaFailure and RetryInfo are violations and a delay."""
    status = status_pb2.Status(code=8, message="m")
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="team-a tokens", description="100 a minute")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromTimedelta(timedelta(milliseconds=1500))
    for detail in (quota, retry):
        status.details.add().Pack(detail)
    failure = error_from_status(
        "RESOURCE_EXHAUSTED", "m", [("grpc-status-details-bin", status.SerializeToString())], "r"
    )
    assert failure.violations == (trunkline.FieldViolation(field="team-a tokens", description="100 a minute"),)
    assert failure.retry_after == timedelta(milliseconds=1500)


def test_no_failure_is_without_a_reason():
    """An error that is made without a reason has its code for one, said by the client; a given domain stays."""
    failure = trunkline.TrunklineError("odd")
    assert (failure.reason, failure.domain) == ("UNKNOWN", "client.trunkline.dev")
    failure = trunkline.NotFound("no model", reason="MODEL_NOT_FOUND", domain="trunkline.dev")
    assert (failure.reason, failure.domain) == ("MODEL_NOT_FOUND", "trunkline.dev")


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:51051",
        "https://gateway.example",
        "127.0.0.1",
        "gateway.example",
        "localhost:",
        "x:http",
        "x:0",
        "x:65536",
        "::1:50051",
        "a b:1",
        "key@x:1",
    ],
)
def test_a_target_that_grpc_would_misread_is_refused(target, monkeypatch):
    """A URL and an address without a port are refused in words, from an argument or the environment."""
    with pytest.raises(ValueError, match="target: host:port, without http://"):
        trunkline.Client(target)
    monkeypatch.setenv("TRUNKLINE_TARGET", target)
    with pytest.raises(ValueError, match="target: host:port, without http://"):
        trunkline.AsyncClient()


@pytest.mark.parametrize(
    "target", ["127.0.0.1:1", "gateway.example:443", "[::1]:50051", "unix:/s", "unix:s", "dns:///x:1", "xds:///x"]
)
def test_a_target_of_grpc_is_taken_as_it_is(target):
    """host:port, sockets and gRPC's own schemes go to gRPC unchanged."""
    assert Connection.resolve(target, None, 1, None).target == target


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_every_call_has_a_deadline(timeout):
    """A timeout that is no positive number of seconds is refused, for the client and for a call."""
    with pytest.raises(ValueError, match="timeout"):
        Connection.resolve("x:1", None, timeout, None)
    with pytest.raises(ValueError, match="timeout"):
        Connection.resolve("x:1", None, 1, None).start(timeout, None)


@pytest.mark.parametrize(
    ("target", "proxy"), [("127.0.0.1:1", 0), ("localhost:1", 0), ("unix:/s", 0), ("gateway.example:443", 1)]
)
def test_no_proxy_is_asked_for_this_machine(target, proxy):
    """Addresses of this machine are never reached through a proxy of the environment."""
    assert dict(Connection.resolve(target, None, 1, None).options)["grpc.enable_http_proxy"] == proxy
