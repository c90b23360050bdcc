"""Cuts a stream in Amazon's event stream encoding into frames (application/vnd.amazon.eventstream).

1. Bytes may be split anywhere; the frames are the same. Time is linear in the bytes, however they are split.
2. Both checksums of each message are held to, and so are the bounds: a message has at most `limit` bytes, of which its
   headers have MAX_HEADERS_BYTES.
3. A message that the end of the stream cuts is dropped: whether the answer is whole is said by those before it.

A message is its length and that of its headers, a checksum of the two, headers, payload, and a checksum of it all.
Source: https://smithy.io/2.0/aws/amazon-eventstream.html, and botocore's own decoder, which the tests compare with.
"""

import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from trunkline_server.core.errors import UpstreamMalformed

__all__ = ["ERROR", "EXCEPTION", "MAX_HEADERS_BYTES", "MAX_MESSAGE_BYTES", "EventStreamFraming", "Frame"]

MAX_MESSAGE_BYTES: Final = 16 << 20
MAX_HEADERS_BYTES: Final = 128 << 10

EXCEPTION: Final = b"exception:"
"""Before the name of a failure that the service's model has."""
ERROR: Final = b"error:"
"""Before the code of a failure that it has not. The payload is then the message in words."""

Frame = tuple[bytes, bytes]
"""The type of the event, or of the failure behind EXCEPTION or ERROR, and the payload."""

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM: Final = struct.Struct(">I")
_LENGTHS: Final = 8
"""Bytes of the two lengths, before their checksum."""
_OVERHEAD: Final = _PRELUDE.size + _CHECKSUM.size
_TRUE, _FALSE, _BYTES, _STRING = 0, 1, 6, 7
_FIXED: Final[Mapping[int, int]] = {_TRUE: 0, _FALSE: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""By type of a header's value, its bytes: truth, byte, short, integer, long, timestamp, UUID."""
_VARIABLE: Final = frozenset({_BYTES, _STRING})


class EventStreamFraming:
    """One stream of messages. Feed it bytes and take whole frames."""

    __slots__ = ("_failure", "_head", "_limit", "_name", "_need", "_rest")

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._failure: UpstreamMalformed | None = None
        self._rest = bytearray()
        """The message that is not whole yet."""
        self._need = _PRELUDE.size
        """So many bytes `_rest` needs before there is anything to see in it."""
        self._head = b""
        self._name: bytes | None = None
        """Headers seen last and the name in them: of most messages of an answer they are the same."""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete.

        Raises UpstreamMalformed. Frames before the failure come first: then the next call raises it.
        """
        if self._failure:
            raise self._failure
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames: list[Frame] = []
        try:
            self._cut(data, frames)
        except UpstreamMalformed as error:
            self._failure = error
            if not frames:
                raise
        return frames

    def end(self) -> list[Frame]:
        """No frames: what is left is cut. Raises UpstreamMalformed where frames came before the failure."""
        if self._failure:
            raise self._failure
        self._rest.clear()
        return []

    def _cut(self, data: bytes, frames: list[Frame]) -> None:
        at, size = 0, len(data)
        need = _PRELUDE.size
        while size - at >= need:
            total, head, checksum = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + _LENGTHS]) != checksum:
                raise UpstreamMalformed("the provider sent a message of a stream whose head is damaged")
            self._check(total, head)
            if size - at < total:
                need = total
                break
            end = at + total - _CHECKSUM.size
            # The first checksum is where that of the whole has come to by then.
            if crc32(data[at + _LENGTHS : end], checksum) != _CHECKSUM.unpack_from(data, end)[0]:
                raise UpstreamMalformed("the provider sent a message of a stream that is damaged")
            payload = at + _PRELUDE.size + head
            frames.append(self._named(data[at + _PRELUDE.size : payload], data[payload:end]))
            at += total
        self._need = need
        if at < size:
            self._rest += data[at:]

    def _check(self, total: int, head: int) -> None:
        if total > self._limit or head > MAX_HEADERS_BYTES:
            raise UpstreamMalformed(f"the provider sent a message of more than {self._limit} bytes in a stream")
        if total < _OVERHEAD + head:
            raise UpstreamMalformed("the provider sent a message of a stream that is shorter than its parts")

    def _named(self, head: bytes, payload: bytes) -> Frame:
        if head == self._head and self._name is not None:
            return self._name, payload
        headers = _headers(head)
        kind = headers.get(b":message-type", b"event")
        if kind == b"error":
            return ERROR + headers.get(b":error-code", b""), headers.get(b":error-message", b"")
        name = EXCEPTION + headers.get(b":exception-type", b"")
        if kind != b"exception":
            name = headers.get(b":event-type", b"")
        self._head, self._name = head, name
        return name, payload


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Headers that are text, by name. Others are passed over."""
    found: dict[bytes, bytes] = {}
    at = 0
    try:
        while at < len(data):
            start = at + 1
            at = start + data[at]
            name, kind = data[start:at], data[at]
            at += 1
            if kind in _VARIABLE:
                length = data[at] << 8 | data[at + 1]
                at += 2
            else:
                length = _FIXED[kind]
            if kind == _STRING:
                found[name] = data[at : at + length]
            at += length
    except (IndexError, KeyError):
        raise _damaged() from None
    if at != len(data):
        raise _damaged()
    return found


def _damaged() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent a message of a stream whose headers are none")
