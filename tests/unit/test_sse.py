"""Server-sent events are cut into the same frames however their bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.framing.sse import Frame, SseFraming


def frames_of(*pieces: bytes, limit: int = 4096) -> tuple[list[Frame], bool]:
    """The frames, and whether the stream was malformed after them."""
    framing, frames = SseFraming(limit), []
    try:
        for piece in pieces:
            frames += framing.feed(piece)
        frames += framing.end()
    except UpstreamMalformed:
        return frames, True
    return frames, False


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"data: a\n\ndata:b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [(b"", b"a"), (b"", b"b"), (b"", b"c")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b": keep alive\n\nid: 7\nretry: 10\nunknown\ndata: a\n\n", [(b"", b"a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [(b"error", b"a"), (b"", b"b")]),
        (b"data: a\ndata: b\ndata\n\n", [(b"", b"a\nb\n")]),
        (b"event: ping\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data:  two spaces\n\n", [(b"", b" two spaces")]),
        (b"data: a\n\ndata: no empty line", [(b"", b"a"), (b"", b"no empty line")]),
        (b"data: a\n\ndata: one\n", [(b"", b"a"), (b"", b"one")]),
        (b"\n\n\n", []),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
def test_frames(stream: bytes, frames: list[Frame]) -> None:
    """The frames are those of the standard, whole, byte by byte and in two pieces cut anywhere."""
    assert frames_of(stream) == (frames, False)
    assert frames_of(*(stream[at : at + 1] for at in range(len(stream)))) == (frames, False)
    for at in range(len(stream)):
        assert frames_of(stream[:at], stream[at:]) == (frames, False)


@pytest.mark.parametrize(
    "excess",
    [
        b"data: " + b"x" * 100,
        b"data: " + b"x" * 100 + b"\n\n",
        b": " + b"x" * 100 + b"\n\n",
        b"data: xxxxx\n" * 20,
        b"data\n" * 100,
    ],
    ids=["endless line", "line", "comment", "many lines", "many empty lines"],
)
def test_bounds(excess: bytes) -> None:
    """A line or an event beyond the limit is malformed, after the same frames before it wherever it is cut."""
    stream = b"data: a\n\n" + excess
    for at in range(len(stream)):
        assert frames_of(stream[:at], stream[at:], limit=64) == ([(b"", b"a")], True)


def test_at_the_bound() -> None:
    """A line of exactly the limit is taken."""
    line = b"data: " + b"x" * 58
    assert frames_of(line + b"\n\n", limit=64) == ([(b"", b"x" * 58)], False)


@given(
    st.lists(st.sampled_from([b"data: a", b"data", b"\n", b"\r", b"\r\n", b":", b"event: e", b"\xef\xbb\xbf", b"z"])),
    st.data(),
)
def test_any_split(parts: list[bytes], data: st.DataObject) -> None:
    """Frames do not depend on where the bytes are split."""
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert frames_of(*pieces) == frames_of(stream)
