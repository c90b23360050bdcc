"""Lines that a child writes past our log, handed on one by one.

A line of more than 4 KiB is told in pieces, so that one without end costs no memory. A reader that is slow stops the
child's writing, as any pipe does.
"""

import asyncio
from collections.abc import Callable
from typing import Final

MAX_LINE_BYTES: Final = 4096

Says = Callable[[str], None]


async def relay(stream: asyncio.StreamReader, says: Says) -> None:
    """Calls `says` with each line that isn't blank, until the stream ends."""
    rest = b""
    while chunk := await stream.read(MAX_LINE_BYTES - len(rest)):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) == MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _say(line, says)
    _say(rest, says)


def _say(line: bytes, says: Says) -> None:
    text = line.decode("utf-8", errors="replace").rstrip()
    if text:
        says(text)
