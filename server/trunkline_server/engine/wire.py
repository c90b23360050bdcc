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

Shape = dict[int, Any]
"""The fields of a message that are messages themselves: tag on the wire -> Shape."""

_SHAPES: Final[dict[str, Shape]] = {}
"""By name of the message. Of the contract's requests, so there are few; descriptors are slow to ask each time."""


def has_more_fields(data: bytes, kind: "Descriptor | Any", limit: int) -> bool:
    """Whether a message of that kind has more than `limit` fields, those of its submessages included.

    Groups count as too many: the contract has none, and what is in them can't be told from what is not. Other bytes
    that are no message are left to the decoder to refuse.
    """
    left = limit
    parts: list[tuple[int, int, Shape]] = [(0, len(data), _shape(kind))]
    while parts:
        at, end, inside = parts.pop()
        # A varint of one byte is read here, as nearly all are: a call for each would take longer than all the rest.
        while at < end:
            left -= 1
            if left < 0:
                return True
            tag = data[at]
            at += 1
            if tag >= MORE:
                tag, at = _varint(data, at - 1, end)
            wire = tag & 7
            if wire == LENGTH:
                size = data[at] if at < end else 0
                at += 1
                if size >= MORE:
                    size, at = _varint(data, at - 1, end)
                if tag in inside:
                    parts.append((at, min(at + size, end), inside[tag]))
                at += size
            elif wire == VARINT:
                at = _varint(data, at, end)[1]
            elif wire in FIXED:
                at += FIXED[wire]
            else:
                return True
    return False


def _shape(kind: "Descriptor | Any") -> Shape:
    """The shape of a message, and of those within it, made once."""
    name = kind.full_name
    if name not in _SHAPES:
        shape = _SHAPES[name] = {}
        for field in kind.fields:
            if field.message_type is not None:
                shape[field.number << 3 | LENGTH] = _shape(field.message_type)
    return _SHAPES[name]


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
