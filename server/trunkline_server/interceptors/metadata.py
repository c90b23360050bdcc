"""Metadata: a caller's metadata is within bounds before anything reads it.

The transport has limits of its own, but they are soft and change with its version: what the gateway relies on, it
checks. Sizes are counted as HTTP/2 counts them (RFC 9113, 6.5.2): name + value + 32.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from trunkline.request_id import MAX_LENGTH
from trunkline_server.core.call import REQUEST_ID, Call
from trunkline_server.core.errors import FieldViolation, InvalidMetadata

MAX_PAIRS: Final = 64
PAIR_OVERHEAD: Final = 32
SINGLE: Final = frozenset({"authorization", REQUEST_ID})
"""Keys that may come once only: two of them would leave open which one counts."""


class Metadata:
    """Refuses metadata that is too large, too much, doubled where it may not be, or not printable ASCII."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raise InvalidMetadata, naming the key."""
        violation = check(call.metadata_pairs, self._max_bytes)
        if violation is not None:
            raise InvalidMetadata(f"{violation.field}: {violation.description}", violations=(violation,))
        yield


def check(pairs: tuple[tuple[str, str | bytes], ...], max_bytes: int) -> FieldViolation | None:
    """The first thing that is wrong with metadata, or None."""
    if len(pairs) > MAX_PAIRS:
        return _violation("", f"{len(pairs)} entries; at most {MAX_PAIRS} are taken")
    size = sum(len(key) + len(value) + PAIR_OVERHEAD for key, value in pairs)
    if size > max_bytes:
        return _violation("", f"{size} bytes in all; at most {max_bytes} are taken")
    single = set()
    for key, value in pairs:
        if isinstance(value, str) and not _printable(value):
            return _violation(
                key, "has a control character or one outside ASCII; send bytes under a key ending in -bin"
            )
        if key in SINGLE:
            if key in single:
                return _violation(key, "comes twice; send it once")
            single.add(key)
        if key == REQUEST_ID and not 0 < len(value) <= MAX_LENGTH:
            return _violation(key, f"has {len(value)} characters; it needs 1 to {MAX_LENGTH}, a UUIDv7 best")
    return None


def _printable(value: str) -> bool:
    return not value or (value.isascii() and value.isprintable())


def _violation(key: str, description: str) -> FieldViolation:
    return FieldViolation(field=f'metadata["{key[:64]}"]' if key else "metadata", description=description)
