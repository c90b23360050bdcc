"""What a failure of the Responses API means: as in chat completions, and by codes of its own.

Source of the codes: the type ResponseError of the `openai` package, 3.54; of those for overload, which it lacks, the
source of OpenAI's own client, Codex.
"""

from collections.abc import Mapping
from typing import Final

from trunkline_server.core.errors import (
    UpstreamContentPolicy,
    UpstreamError,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamRejected,
)
from trunkline_server.providers.failure import failure
from trunkline_server.providers.openai import errors as chat

__all__ = ["error_of", "reported_error"]

_BY_CODE: Final[Mapping[str, type[UpstreamError]]] = {
    "bio_policy": UpstreamContentPolicy,
    "cyber_policy": UpstreamContentPolicy,
    "data_residency_mismatch": UpstreamRejected,
    "empty_image_file": UpstreamRejected,
    "failed_to_download_image": UpstreamRejected,
    "image_content_policy_violation": UpstreamContentPolicy,
    "image_file_not_found": UpstreamRejected,
    "image_file_too_large": UpstreamRejected,
    "image_parse_error": UpstreamRejected,
    "image_too_large": UpstreamRejected,
    "image_too_small": UpstreamRejected,
    "invalid_base64_image": UpstreamRejected,
    "invalid_image": UpstreamRejected,
    "invalid_image_format": UpstreamRejected,
    "invalid_image_mode": UpstreamRejected,
    "invalid_image_url": UpstreamRejected,
    "invalid_prompt": UpstreamContentPolicy,  # prompts that the usage policy forbids
    "misalignment_policy_violation": UpstreamContentPolicy,
    "server_is_overloaded": UpstreamOverloaded,
    "slow_down": UpstreamOverloaded,
    "unsupported_image_media_type": UpstreamRejected,
    "vector_store_timeout": UpstreamFailed,
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that an answer with this status tells of. Never raises."""
    return _told(chat.error_of(status, headers, body))


def reported_error(body: bytes) -> UpstreamError:
    """The failure that an error object inside an answer with status 200 tells of. Never raises."""
    return _told(chat.reported_error(body))


def _told(error: UpstreamError) -> UpstreamError:
    kind = _BY_CODE.get(error.native_code)
    if kind is None or kind is type(error):
        return error
    return failure(
        kind,
        status=error.http_status,
        code=error.native_code,
        param=error.param,
        message=error.foreign_message,
        retry_after_s=error.retry_after_s,
    )
