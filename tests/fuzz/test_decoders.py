"""Decoders of every dialect under answers that are wrong: the short form of `make prove-fuzz`, always the same."""

import json
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.frames import Event, events_of, in_frames
from tests.fuzz.mutations import spoil_bytes, spoil_value
from tests.fuzz.targets import EXCHANGES, TARGETS, check_error, check_stream, check_whole, seeds
from tests.golden.exchange import Exchange

ROUNDS = 40
"""Of each kind, for each golden answer."""
DIALECTS = [name for name, found in EXCHANGES.items() if found]


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes(name: str, data: bytes) -> None:
    """Whatever the bytes are, there are events or an UpstreamError and no other exception."""
    TARGETS[name]()(data)


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_bytes(name: str) -> None:
    """The same of golden bodies with bytes cut out, doubled and changed."""
    target, rng = TARGETS[name](), random.Random(20)
    for seed in seeds(name):
        for _ in range(ROUNDS // 4):
            target(spoil_bytes(seed, rng))


def _streams(name: str) -> Iterator[Exchange]:
    return (each for each in EXCHANGES[name] if each.streamed)


@pytest.mark.parametrize("name", DIALECTS)
def test_spoilt_values(name: str) -> None:
    """The same of golden answers and failures with values replaced, taken out and put elsewhere."""
    rng = random.Random(21)
    for exchange in EXCHANGES[name]:
        if exchange.upstream_response:
            for _ in range(ROUNDS):
                body = json.dumps(spoil_value(exchange.upstream_response["body"], rng)).encode()
                check_whole(exchange, body)
                check_error(exchange, body)


@pytest.mark.parametrize("name", DIALECTS)
def test_spoilt_events(name: str) -> None:
    """The same of golden streams with values of their events changed, and events lost, doubled and out of order."""
    rng = random.Random(22)
    for exchange in _streams(name):
        events = events_of(exchange)
        for _ in range(ROUNDS if events else 0):
            check_stream(exchange, in_frames(exchange, _spoilt(events[:], rng)))


def _spoilt(events: list[Event], rng: random.Random) -> list[Event]:
    at, to = rng.randrange(len(events)), rng.randrange(len(events))
    match rng.randrange(4):
        case 0:
            del events[at]
        case 1:
            events.insert(at, events[to])
        case 2:
            events[at], events[to] = events[to], events[at]
        case _:
            events[at] = (events[at][0], spoil_value(events[at][1], rng))
    return events
