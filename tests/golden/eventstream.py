"""Writes AWS's binary event streams, so that golden files can hold them in a form that people can read.

A frame is {"headers": {name: text}, "payload": JSON}. In bytes it is, all numbers big endian (Amazon's "event stream
encoding"):

    length of the frame (4), length of the headers (4), CRC-32 of these two (4), headers, payload, CRC-32 of it all (4)
    a header: length of its name (1), its name, 7 for text (1), length of the text (2), the text
"""

import json
import struct
from binascii import crc32
from collections.abc import Iterable, Mapping
from typing import Any, Final

_TEXT: Final = 7
_AROUND: Final = 16
"""Bytes of a frame that are neither headers nor payload."""


def encode(frames: Iterable[Mapping[str, Any]]) -> bytes:
    """The frames as they stand on the wire."""
    return b"".join(_frame(frame["headers"], frame["payload"]) for frame in frames)


def _frame(headers: Mapping[str, str], payload: Any) -> bytes:
    head = b"".join(_header(name.encode(), text.encode()) for name, text in headers.items())
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    prelude = struct.pack(">II", _AROUND + len(head) + len(body), len(head))
    frame = prelude + struct.pack(">I", crc32(prelude)) + head + body
    return frame + struct.pack(">I", crc32(frame))


def _header(name: bytes, text: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _TEXT, len(text)) + text
