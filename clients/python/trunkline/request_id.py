"""Names for calls: UUIDs of version 7 (RFC 9562, 5.7), which sort by the time they were made."""

import os
import time
from typing import Final

__all__ = ["checked_request_id", "new_request_id", "uuid7"]

MAX_LENGTH: Final = 128
_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """The UUID of this millisecond and these 10 random bytes, of which 74 bits are used."""
    # Written by hand: the standard library's class costs as much to load as all the contract, and each id twice this.
    random = int.from_bytes(randomness, "big")
    rand_a, rand_b = (random >> 62) & 0xFFF, random & ((1 << 62) - 1)
    digits = f"{(unix_ms & ((1 << 48) - 1)) << 80 | _VERSION | rand_a << 64 | _VARIANT | rand_b:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_request_id() -> str:
    """A new name for a call."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def checked_request_id(given: str | None) -> str:
    """The caller's name for a call if it can travel in metadata, a new one if there is none."""
    if given is None:
        return new_request_id()
    if not 0 < len(given) <= MAX_LENGTH or not all("!" <= char <= "~" for char in given):
        raise ValueError(f"request_id: at most {MAX_LENGTH} visible ASCII characters, and at least one")
    return given
