"""What the operator hears of calls that fail."""

import pytest
from loguru import logger

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.core.faults import MAX_PLACES, QUIET_S, FaultLog

CANARY = "canary-6120"


@pytest.fixture
def lines():
    told = []
    sink = logger.add(lambda message: told.append(str(message).strip()), format="{level} {message}")
    yield told
    logger.remove(sink)


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def faults(clock):
    return FaultLog(lambda: clock[0])


def a_call(request_id="r-1"):
    return Call(request_id=request_id, method="/a/B", metadata={}, metadata_pairs=(), peer="p", started_at=0.0)


def raised():
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        return error


def test_a_fault_is_told_by_type_and_place_without_its_text(faults, lines):
    """The exception may quote a prompt."""
    faults.seen(raised(), a_call())
    assert len(lines) == 1
    assert lines[0].startswith("ERROR fault in /a/B (request r-1): KeyError at test_faults.py:")
    assert CANARY not in lines[0]


def test_a_failure_of_every_call_is_a_line_a_minute(faults, clock, lines):
    """With the number that was not told."""
    attempt = v1.Attempt(deployment="openai/x", reason="UPSTREAM_FAILED", http_status=500)
    for number in range(100):
        faults.failed(attempt, a_call(f"r-{number}"))
    assert lines == ["WARNING openai/x: UPSTREAM_FAILED, HTTP 500 (request r-0)"]
    clock[0] += QUIET_S
    faults.failed(attempt, a_call("r-100"))
    assert lines[1:] == ["WARNING openai/x: UPSTREAM_FAILED, HTTP 500 (request r-100); 99 more since it was last told"]


def test_different_failures_are_told_apart_within_a_bound(faults, lines):
    """A second deployment that fails is heard of; what is remembered is bounded."""
    for number in range(MAX_PLACES + 50):
        faults.failed(v1.Attempt(deployment=f"d{number}", reason="UPSTREAM_UNREACHABLE"), a_call())
    assert len(lines) == MAX_PLACES + 50
    assert len(faults._seen) <= MAX_PLACES
