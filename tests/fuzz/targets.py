"""What is fuzzed: each framing, and of each dialect everything that reads what a provider sent.

A target takes bytes and returns, or fails with what must never happen: another exception than UpstreamError, events
that are not those of one answer, or events that change with the way the bytes are split.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tests.fuzz.invariants import check_events, check_usage
from tests.golden.exchange import Exchange, feed_all
from tests.golden.folders import find
from trunkline import v1
from trunkline_server.core.errors import UpstreamError
from trunkline_server.providers.decoder import Framing
from trunkline_server.providers.dialects import DIALECTS
from trunkline_server.providers.framing.eventstream import EventStreamFraming
from trunkline_server.providers.framing.sse import SseFraming

Target = Callable[[bytes], None]

EXCHANGES: Final[Mapping[str, tuple[Exchange, ...]]] = {
    name: tuple(each for each in find().exchanges if each.dialect.name == name) for name in DIALECTS
}
"""Golden ones by dialect; a row that has no folder of its own is missing here, and has a sibling that is there."""


def framing_target(make: Callable[[], Framing]) -> Target:
    """Frames are the same however the bytes are split."""

    def target(data: bytes) -> None:
        whole = _frames(make(), [data])
        at = data[0] * len(data) // 256 if data else 0
        assert _frames(make(), [data[:at], data[at:]]) == whole
        assert _frames(make(), (data[i : i + 1] for i in range(len(data)))) == whole

    return target


def _frames(framing: Framing, pieces: Iterable[bytes]) -> tuple[list[tuple[bytes, bytes]], str]:
    frames: list[tuple[bytes, bytes]] = []
    try:
        for piece in pieces:
            frames += framing.feed(piece)
        frames += framing.end()
    except UpstreamError as error:
        return frames, str(error)
    return frames, ""


def dialect_target(name: str) -> Target:
    """Everything that a dialect reads."""
    first = EXCHANGES[name][0]
    asked = {(each.verb, each.deployment.upstream_model): each for each in reversed(EXCHANGES[name])}

    def target(data: bytes) -> None:
        check_stream(first, data)
        check_error(first, data)
        for exchange in asked.values():
            check_whole(exchange, data)

    return target


def check_stream(exchange: Exchange, data: bytes) -> None:
    """A streamed answer."""
    decoder = exchange.dialect.stream_decoder(exchange.deployment)
    events, error = feed_all(decoder, [data])
    check_events(events, error)
    check_usage(decoder.usage)
    at = len(data) // 2
    split, split_error = feed_all(exchange.dialect.stream_decoder(exchange.deployment), [data[:at], data[at:]])
    assert (split, repr(split_error)) == (events, repr(error)), "events depend on how the bytes are split"


def check_whole(exchange: Exchange, data: bytes) -> None:
    """The body of a whole answer, of whatever was asked for."""
    try:
        answer = exchange.decode(data)
    except UpstreamError:
        return
    if isinstance(answer, v1.CompleteResponse):
        assert answer.finished.finish_reason != v1.FINISH_REASON_UNSPECIFIED
        check_usage(answer.finished.usage)
    elif isinstance(answer, v1.EmbedResponse):
        assert isinstance(exchange.request, v1.EmbedRequest)
        assert len(answer.vectors) == len(exchange.request.inputs)
        check_usage(answer.usage)
    elif isinstance(answer, v1.CountTokensResponse):
        assert answer.input_tokens >= 0


def check_error(exchange: Exchange, data: bytes) -> None:
    """The body of a failure."""
    status = 400 + (data[0] if data else 0)
    headers = {"retry-after": data[:20].decode("latin-1"), "date": data[20:50].decode("latin-1")}
    assert isinstance(exchange.dialect.decode_error(status, headers, data), UpstreamError)


FRAMINGS: Final[Mapping[str, Callable[[], Framing]]] = {"sse": SseFraming, "eventstream": EventStreamFraming}
TARGETS: Final[Mapping[str, Callable[[], Target]]] = {
    **{f"framing-{name}": lambda make=make: framing_target(make) for name, make in FRAMINGS.items()},
    **{name: lambda name=name: dialect_target(name) for name in DIALECTS if EXCHANGES[name]},
}


def seeds(name: str) -> list[bytes]:
    """Golden bodies to begin with."""
    own = EXCHANGES.get(name) or EXCHANGES["bedrock" if name == "framing-eventstream" else "openai"]
    streams = [each.stream for each in own if each.stream]
    wholes = [json.dumps(each.upstream_response["body"]).encode() for each in own if each.upstream_response]
    return [*streams, *wholes] if name in EXCHANGES else streams
