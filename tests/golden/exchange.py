"""One golden exchange, from the caller's request to the caller's answer. folders.py finds them.

source.md                     what it was written after or recorded from, which version, year and month: 2026-11. Begins
                              with "Recorded from" if it was recorded, ends with "Not recorded." if it wasn't
deployment.json               who is asked, if another than DIALECT/deployment.json says; see folders.py
request.json                  the CompleteRequest, as proto JSON
upstream_request.json         the whole HTTP request to the provider
upstream_request.stream.json  the same, where the answer is streamed
upstream_response.json        status, headers and body of the provider's answer
upstream_response.sse         the provider's streamed answer: status line and headers, an empty line, the body
response.json                 the CompleteResponse
events.json                   the StreamEvents
error.json                    the failure, where there is one; after the events of a stream
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Dialect, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.dialects import DIALECTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One folder. What a folder does not hold is None."""

    name: str
    source: str
    deployment: Deployment
    request: v1.CompleteRequest
    upstream_request: dict[str, Any] | None
    upstream_stream_request: dict[str, Any] | None
    upstream_response: dict[str, Any] | None
    stream: bytes | None
    """Body of the streamed answer."""
    response: Any
    events: Any
    error: Any

    @property
    def dialect(self) -> Dialect:
        """The dialect that it is an exchange of."""
        return DIALECTS[self.deployment.provider.dialect]


def parse_http(data: bytes) -> bytes:
    """The body after the status line and headers. Raises ValueError if there are none."""
    head, _, body = data.partition(b"\n\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError("upstream_response.sse does not begin with HTTP/1.1 200, headers and an empty line")
    return body


def request_json(request: HttpRequest) -> dict[str, Any]:
    """An HTTP request as the golden files hold it."""
    return {
        "method": request.method,
        "url": f"{request.endpoint}{request.target}",
        "headers": dict(request.headers),
        "body": json.loads(request.body),
        "left_out": list(request.left_out),
    }


def message_json(message: Message) -> dict[str, Any]:
    """A message of the contract as the golden files hold it."""
    return json_format.MessageToDict(message)


def error_json(error: UpstreamError) -> dict[str, Any]:
    """A failure as the golden files hold it."""
    return {
        "reason": v1.ErrorReason.Name(error.reason),
        "message": str(error),
        "http_status": error.http_status,
        "native_code": error.native_code,
        "param": error.param,
        "retry_after_s": error.retry_after_s,
        "foreign_message": error.foreign_message,
    }


def feed_all(decoder: StreamDecoder, pieces: Iterable[bytes]) -> tuple[list[v1.StreamEvent], UpstreamError | None]:
    """All events of a stream, and the failure that ends it if one does."""
    events: list[v1.StreamEvent] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
    except UpstreamError as error:
        return events, error
    return events, None
