"""Cuts a stream of server-sent events into frames (WHATWG HTML, section 9.2, "Server-sent events").

1. Bytes may be split anywhere, also inside a line end or the byte order mark; the frames are the same.
2. Time is linear in the bytes, however they are split.
3. A line, and the data of one event, hold at most `limit` bytes; beyond that the stream is malformed.

Lines end with LF, CR LF or CR. Comments, ids, retry times and fields that the standard does not know are skipped; JSON
that a server writes between events, as Google does with an error, may be asked for.
"""

import codecs
from typing import Final

from trunkline_server.core.errors import UpstreamMalformed

__all__ = ["MAX_EVENT_BYTES", "Frame", "SseFraming"]

MAX_EVENT_BYTES: Final = 4 << 20

Frame = tuple[bytes, bytes]
"""The event's name, empty where it has none, and its data. Plain, because one is made for every chunk of an answer."""

_BOM: Final = codecs.BOM_UTF8


class SseFraming:
    """One stream of events. Feed it bytes and take whole frames."""

    __slots__ = (
        "_bare",
        "_bare_name",
        "_data",
        "_ended_in_cr",
        "_failure",
        "_head",
        "_limit",
        "_line",
        "_name",
        "_size",
    )

    def __init__(self, limit: int = MAX_EVENT_BYTES, *, bare: bytes = b"") -> None:
        """`bare`: the name of frames for JSON that stands on lines of its own, outside of events. Empty: skipped."""
        self._limit = limit
        self._bare_name = bare
        self._bare: list[bytes] = []
        """Lines of such JSON."""
        self._head: bytes | None = b""
        """The first bytes, while they may still be a byte order mark; None once that is settled."""
        self._failure: UpstreamMalformed | None = None
        self._ended_in_cr = False
        self._line = bytearray()
        """The line that is not whole yet."""
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0
        """Bytes in _data and _bare."""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete.

        Raises UpstreamMalformed at the limit. Frames before it come first: then the next call raises, or `end`.
        """
        if self._failure:
            raise self._failure
        frames: list[Frame] = []
        try:
            self._cut(data, frames)
        except UpstreamMalformed as error:
            self._failure = error
            if not frames:
                raise
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> None:
        if self._head is not None:
            data = self._without_mark(self._head + data)
        if self._ended_in_cr or b"\r" in data:
            data = self._with_plain_ends(data)
        lines = data.split(b"\n")
        if len(lines) == 1:
            self._grow(data)
            return
        if self._line:
            self._grow(lines[0])
            lines[0] = bytes(self._line)
            self._line.clear()
        rest = lines.pop()
        self._add_lines(lines, frames)
        self._grow(rest)

    def end(self) -> list[Frame]:
        """The frame that the end of the stream leaves, if a server forgot the empty line after it.

        The standard drops such an event. It is given here, because some servers end so; whoever takes it has to be
        ready for data that is cut.
        """
        if self._head:
            self._line += self._head
            self._head = None
        if self._failure:
            raise self._failure
        frames: list[Frame] = []
        self._add_lines([bytes(self._line), b""], frames)
        self._line.clear()
        return frames

    def _add_lines(self, lines: list[bytes], frames: list[Frame]) -> None:
        for line in lines:
            if len(line) > self._limit:
                raise _too_long("a line", self._limit)
            if not line:
                if self._data:
                    frames.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data = []
                if self._bare:
                    frames.append((self._bare_name, b"\n".join(self._bare)))
                    self._bare = []
                self._size, self._name = 0, b""
            elif line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line == b"data":
                self._add(b"")
            elif self._bare or (self._bare_name and line[0] in b"{["):
                self._count(line)
                self._bare.append(line)

    def _add(self, data: bytes) -> None:
        self._count(data)
        self._data.append(data)

    def _count(self, data: bytes) -> None:
        self._size += len(data) + 1  # the line end counts, so that empty data lines have a bound as well
        if self._size > self._limit:
            raise _too_long("an event", self._limit)

    def _grow(self, piece: bytes) -> None:
        if len(self._line) + len(piece) > self._limit:
            raise _too_long("a line", self._limit)
        self._line += piece

    def _with_plain_ends(self, data: bytes) -> bytes:
        if self._ended_in_cr and data.startswith(b"\n"):
            data = data[1:]
            if not data:
                self._ended_in_cr = False
                return b""
        if data:
            self._ended_in_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_mark(self, head: bytes) -> bytes:
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)


def _too_long(what: str, limit: int) -> UpstreamMalformed:
    return UpstreamMalformed(f"the provider sent {what} of more than {limit} bytes in a stream")
