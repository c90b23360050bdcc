"""Counts the fields of an encoded message without decoding it.

A decoded message takes up to a hundred bytes for a field that is two bytes on the wire, so a body within the bound on
its size can still fill the memory. Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from typing import Any, Final

from google.protobuf.descriptor import Descriptor

MAX_FIELDS: Final = 250_000
"""More than requests have: 16,384 blocks with six fields each, and a replayed answer with its log probabilities."""

VARINT, LENGTH = 0, 2
FIXED: Final = {1: 8, 5: 4}
"""Wire types of a fixed size, and that size."""
MORE: Final = 0x80
"""The bit of a varint's byte that says that another follows."""
MAX_SHIFT: Final = 63


def has_more_fields(data: bytes, kind: "Descriptor | Any", limit: int) -> bool:
    """Whether a message of that kind has more than `limit` fields, those of its submessages included.

    Groups count as too many: the contract has none, and what is in them can't be told from what is not. Other bytes
    that are no message are left to the decoder to refuse.
    """
    left = limit
    parts: list[tuple[int, int, Any]] = [(0, len(data), kind)]
    while parts:
        at, end, inside = parts.pop()
        while at < end:
            left -= 1
            if left < 0:
                return True
            tag, at = _varint(data, at, end)
            if tag & 7 == LENGTH:
                size, at = _varint(data, at, end)
                field = inside.fields_by_number.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    parts.append((at, min(at + size, end), field.message_type))
                at += size
            elif tag & 7 == VARINT:
                at = _varint(data, at, end)[1]
            elif tag & 7 in FIXED:
                at += FIXED[tag & 7]
            else:
                return True
    return False


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where the next byte is. At the end of the data the number is cut."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < MORE:
            return value, at
        shift += 7
        if shift > MAX_SHIFT:
            return 0, end
    return value, end
