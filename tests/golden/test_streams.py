"""Streamed answers of all exchanges: cut anywhere, and broken off anywhere."""

import re

import pytest

from tests.golden.exchange import Exchange, feed_all
from tests.golden.folders import find
from trunkline_server.core.errors import UpstreamError

STREAMS = [each for each in find().exchanges if each.stream is not None]
CUTS = 300
"""Of a longer stream so many places are tried, and those beside line ends and characters of several bytes."""
REASON = re.compile(
    rb'"(finish_reason|stop_reason|finishReason|stopReason)"\s*:\s*"|"response\.(completed|incomplete|failed)"'
)
"""Where a provider says why it ended, in the words of all dialects."""


def _name(exchange: Exchange) -> str:
    return exchange.name


def outcome(exchange: Exchange, *pieces: bytes) -> tuple[list[bytes], str]:
    """Events and failure, in a form that can be compared quickly."""
    events, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), pieces)
    return [event.SerializeToString(deterministic=True) for event in events], repr(error)


def places(stream: bytes, end: int) -> list[int]:
    """Where to cut."""
    step = max(1, len(stream) // CUTS)
    return [at for at in range(end) if at % step == 0 or stream[at] in b"\r\n" or stream[at] > 0x7F]


@pytest.mark.parametrize("exchange", STREAMS, ids=_name)
def test_any_split(exchange: Exchange) -> None:
    """Every stream gives the same events and failure byte by byte, and in two pieces wherever it is cut."""
    stream = exchange.stream
    whole = outcome(exchange, stream)
    assert outcome(exchange, *(stream[at : at + 1] for at in range(len(stream)))) == whole
    for at in places(stream, len(stream)):
        assert outcome(exchange, stream[:at], stream[at:]) == whole


@pytest.mark.parametrize("exchange", STREAMS, ids=_name)
def test_cut_stream_never_finishes(exchange: Exchange) -> None:
    """A stream that is cut anywhere before its finish reason is broken, and says nothing of an ending."""
    stream = exchange.stream
    reason = REASON.search(stream)
    for at in places(stream, reason.start() if reason else len(stream)):
        events, error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), [stream[:at]])
        assert isinstance(error, UpstreamError)
        assert not any(event.HasField("finished") for event in events)
