"""JSON that is not quite JSON, made whole.

Servers that cut text between two UTF-16 halves send lone surrogates, others send bytes that are not UTF-8, or -Infinity
as a logarithm. Losing an answer for that would be worse than a replacement character.
"""

import json
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import UpstreamMalformed

__all__ = ["MAX_LENIENT_BYTES", "mended"]

MAX_LENIENT_BYTES: Final = 256 * 1024
"""Above this it is refused: to mend it would hold up the loop."""


def mended(data: bytes) -> bytes:
    """The same value in strict JSON. Raises UpstreamMalformed."""
    if len(data) > MAX_LENIENT_BYTES:
        raise _malformed()
    try:
        return msgspec.json.encode(_whole(json.loads(data.decode("utf-8", "replace"))))
    except (ValueError, OverflowError, RecursionError) as error:
        raise _malformed() from error


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent an answer that is not in its own format")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value
