"""Failures at Vertex AI: Google's own, and those of the models that it passes on."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import UpstreamError
from trunkline_server.providers.anthropic import errors as claude
from trunkline_server.providers.gemini import errors as google
from trunkline_server.providers.openai import errors as chat

__all__ = ["error_of"]


class _Shape(msgspec.Struct, gc=False):
    type: Any = None
    error: Any = None


_SHAPES: Final = msgspec.json.Decoder(_Shape)


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of, by the shape that it has. Never raises."""
    try:
        shape = _SHAPES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return google.error_of(status, headers, body)  # among them Google's in an array, and pages in HTML
    if shape.type == "error":
        return claude.error_of(status, headers, body)
    if isinstance(shape.error, dict) and "type" in shape.error and "status" not in shape.error:
        return chat.error_of(status, headers, body)
    return google.error_of(status, headers, body)
