"""Request ids: UUIDv7 (RFC 9562, 5.7), which sort by the time they were made."""

import os
import time
import uuid


def new_request_id() -> str:
    """A new id: 48 bits of Unix milliseconds, 74 random bits."""
    value = int.from_bytes(os.urandom(10)) | (time.time_ns() // 1_000_000) << 80
    value = value & ~(0xF << 76) | 0x7 << 76  # version 7
    value = value & ~(0x3 << 62) | 0x2 << 62  # the RFC's variant
    return str(uuid.UUID(int=value))
