"""Counts the fields of an encoded message without decoding it.

A decoded message takes up to a hundred bytes for a field that is two bytes on the wire, so a body within the bound on
its size can still fill the memory. Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from typing import Any, Final

from google.protobuf.descriptor import Descriptor

MAX_FIELDS: Final = 100_000
"""More than any request within the contract's bounds has: 16,384 blocks with six fields each."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MORE: Final = 0x80
"""The bit of a varint's byte that says that another follows."""
MAX_SHIFT: Final = 63


def has_more_fields(data: bytes, kind: "Descriptor | Any", limit: int) -> bool:
    """Whether a message of that kind has more than `limit` fields, those of its submessages included.

    What is no message is left to the decoder to refuse: then the answer is False.
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
            else:
                at = _skip(tag & 7, data, at, end)
    return False


def _skip(wire_type: int, data: bytes, at: int, end: int) -> int:
    if wire_type == VARINT:
        return _varint(data, at, end)[1]
    if wire_type == FIXED64:
        return at + 8
    if wire_type == FIXED32:
        return at + 4
    return end  # groups, and what does not exist: the decoder's business


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
