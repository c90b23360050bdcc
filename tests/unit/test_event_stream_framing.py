"""Amazon's event streams are cut into the same frames however they are split, and as AWS's own client cuts them."""

import struct
from binascii import crc32
from time import perf_counter
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.framing.eventstream import EventStreamFraming, Frame

EVENT = {":event-type": "messageStart", ":message-type": "event"}


def value(kind: int, data: bytes) -> bytes:
    """A header's value: its type, its length where the type has none of its own, and its bytes."""
    return bytes([kind]) + (struct.pack(">H", len(data)) if kind in (6, 7) else b"") + data


def message(headers: dict[str, Any], payload: bytes) -> bytes:
    """One message; a header's value is a text, or bytes as `value` makes them."""
    head = b""
    for name, told in headers.items():
        head += bytes([len(name)]) + name.encode() + (value(7, told.encode()) if isinstance(told, str) else told)
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return whole + struct.pack(">I", crc32(whole))


def frames_of(*pieces: bytes, limit: int = 1 << 20) -> tuple[list[Frame], bool]:
    """The frames, and whether the stream was malformed after them."""
    framing, frames = EventStreamFraming(limit), []
    try:
        for piece in pieces:
            frames += framing.feed(piece)
        frames += framing.end()
    except UpstreamMalformed:
        return frames, True
    return frames, False


def test_kinds_of_messages() -> None:
    """Events are named by their type, failures by theirs behind a word; one outside the model brings its message."""
    exception = {":message-type": "exception", ":exception-type": "throttlingException"}
    error = {":message-type": "error", ":error-code": "InternalError", ":error-message": "No."}
    stream = message(EVENT, b"{}") + message({}, b"x") + message(exception, b"{}") + message(error, b"")
    names = [(b"messageStart", b"{}"), (b"", b"x"), (b"exception:throttlingException", b"{}")]
    assert frames_of(stream) == ([*names, (b"error:InternalError", b"No.")], False)


def test_same_headers_as_before() -> None:
    """Messages with the same headers as the one before have the same name, and others another."""
    stop = {**EVENT, ":event-type": "messageStop"}
    stream = b"".join(message(headers, b"") for headers in (EVENT, EVENT, stop, stop, EVENT))
    names = [name for name, _ in frames_of(stream)[0]]
    assert names == [b"messageStart", b"messageStart", b"messageStop", b"messageStop", b"messageStart"]


def test_every_type_of_header() -> None:
    """Headers of all ten types are read over."""
    fixed = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    others = {f"h{kind}": value(kind, b"\x07" * size) for kind, size in fixed.items()}
    stream = message({**others, "h6": value(6, b"bytes"), **EVENT, "h7": "text"}, b"{}")
    assert frames_of(stream) == ([(b"messageStart", b"{}")], False)
    assert [each.headers[":event-type"] for each in buffered(stream)] == ["messageStart"]


def buffered(stream: bytes) -> EventStreamBuffer:
    """What AWS's client makes of it."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return buffer


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=300)), max_size=5), st.data())
def test_as_aws_reads_it(events: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """Names and payloads are those that AWS's client reads, wherever the bytes are cut."""
    stream = b"".join(message({**EVENT, ":event-type": name}, payload) for name, payload in events)
    theirs = [(each.headers[":event-type"].encode(), each.payload) for each in buffered(stream)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert frames_of(*pieces) == (theirs, False)
    assert frames_of(*(stream[at : at + 1] for at in range(len(stream)))) == (theirs, False)


@pytest.mark.parametrize("at", range(len(message(EVENT, b'{"a":1}'))))
def test_damage_is_seen(at: int) -> None:
    """A message with one wrong bit anywhere is malformed; the one before it comes first."""
    good = message(EVENT, b'{"a":1}')
    bad = bytearray(good)
    bad[at] ^= 1
    frames, malformed = frames_of(good + bytes(bad))
    assert frames == [(b"messageStart", b'{"a":1}')]
    assert malformed


@given(st.binary(max_size=200))
def test_any_bytes(junk: bytes) -> None:
    """Bytes that are no stream give no frames and no exception but the malformed one."""
    assert frames_of(junk)[0] == []


@pytest.mark.parametrize(
    "head", [b"\x05abc", b"\x01a\x63", b"\x01a\x07\x00", b"\x01a\x07\x00\x09abc", b"\x01a\x04\x00", b"\xff"]
)
def test_broken_headers(head: bytes) -> None:
    """Headers that end too early or have an unknown type are malformed."""
    prelude = struct.pack(">II", 16 + len(head), len(head))
    whole = prelude + struct.pack(">I", crc32(prelude)) + head
    assert frames_of(whole + struct.pack(">I", crc32(whole))) == ([], True)


def test_bounds() -> None:
    """A message beyond the bound is malformed as soon as its length is there, and one shorter than its parts too."""
    assert frames_of(message(EVENT, b"x" * 4096), limit=4096) == ([], True)
    for total, head in ((1 << 31, 0), (15, 0), (16, 1), (1 << 19, (128 << 10) + 1)):
        lengths = struct.pack(">II", total, head)
        assert frames_of(lengths + struct.pack(">I", crc32(lengths))) == ([], True)


def test_a_cut_message_is_dropped() -> None:
    """What the end of the stream cuts is no frame."""
    whole = message(EVENT, b"{}")
    assert frames_of(whole + whole[:-1]) == ([(b"messageStart", b"{}")], False)


def test_failure_stays() -> None:
    """After a malformed message nothing is read any more."""
    framing = EventStreamFraming()
    with pytest.raises(UpstreamMalformed):
        framing.feed(b"\x00" * 12)
    with pytest.raises(UpstreamMalformed):
        framing.feed(message(EVENT, b"{}"))
    with pytest.raises(UpstreamMalformed):
        framing.end()


def test_time_is_linear() -> None:
    """Twice the bytes of one message, in small pieces, take about twice the time."""

    def seconds(size: int) -> float:
        stream = message(EVENT, b"x" * size)
        began = perf_counter()
        framing = EventStreamFraming()
        for at in range(0, len(stream), 256):
            framing.feed(stream[at : at + 256])
        return perf_counter() - began

    ratios = [seconds(1 << 21) / seconds(1 << 20) for _ in range(7)]
    assert min(ratios) < 2.6
