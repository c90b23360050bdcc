"""Streamed answers of all exchanges: cut anywhere, and broken off anywhere."""

import re

import pytest

from tests.golden.exchange import Exchange, feed_all
from tests.golden.folders import find
from trunkline_server.core.errors import UpstreamBroken, UpstreamFailed

STREAMS = [each for each in find().exchanges if each.stream is not None]


def _name(exchange: Exchange) -> str:
    return exchange.name


def outcome(exchange: Exchange, *pieces: bytes) -> tuple[list[bytes], str]:
    """Events and failure, in a form that can be compared quickly."""
    events, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), pieces)
    return [event.SerializeToString(deterministic=True) for event in events], repr(error)


@pytest.mark.parametrize("exchange", STREAMS, ids=_name)
def test_any_split(exchange: Exchange) -> None:
    """Every stream gives the same events and failure for a cut at every byte, and byte by byte."""
    stream = exchange.stream
    whole = outcome(exchange, stream)
    assert outcome(exchange, *(stream[at : at + 1] for at in range(len(stream)))) == whole
    for at in range(len(stream)):
        assert outcome(exchange, stream[:at], stream[at:]) == whole


@pytest.mark.parametrize("exchange", [each for each in STREAMS if each.dialect.format == "openai"], ids=_name)
def test_cut_stream_never_finishes(exchange: Exchange) -> None:
    """A stream that is cut anywhere before its finish reason is broken, and says nothing of an ending."""
    stream = exchange.stream
    reason = re.search(rb'"finish_reason"\s*:\s*"', stream)
    for at in range(reason.start() if reason else len(stream)):
        events, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), [stream[:at]])
        assert isinstance(error, UpstreamBroken | UpstreamFailed)
        assert not any(event.HasField("finished") for event in events)
