"""What a failure at Azure means: as at OpenAI, but that the content filter stands one level deeper.

https://learn.microsoft.com/azure/foundry/openai/concepts/content-filter: {"error": {"code": "content_filter",
"innererror": {"code": "ResponsibleAIPolicyViolation", ...}}}; the outer code differs between versions.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trunkline_server.core.errors import UpstreamContentPolicy, UpstreamError
from trunkline_server.providers.failure import failure

__all__ = ["of_azure"]

_FILTERED: Final = "ResponsibleAIPolicyViolation"


def of_azure(error: UpstreamError, body: bytes) -> UpstreamError:
    """What OpenAI's table said of an answer, or the filter's refusal if that is what it was. Never raises."""
    if isinstance(error, UpstreamContentPolicy) or _FILTERED.encode() not in body or not _is_filtered(body):
        return error
    return failure(
        UpstreamContentPolicy,
        status=error.http_status,
        code=_FILTERED,
        param=error.param,
        message=error.foreign_message,
    )


def _is_filtered(body: bytes) -> bool:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    error = _member(value, "error")
    return _FILTERED in (_member(error, "code"), _member(_member(error, "innererror"), "code"))


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
