"""One golden exchange, from the caller's request to the caller's answer. folders.py finds them.

source.md                     what it was written after or recorded from, which version, year and month: 2026-11. Begins
                              with "Recorded from" if it was recorded, ends with "Not recorded." if it wasn't
deployment.json               who is asked, if another than DIALECT/deployment.json says; see folders.py
upstream_request.json         the whole HTTP request to the provider; without what a credential that is fetched adds
upstream_response.json        status, headers and body of the provider's answer
error.json                    the failure, where there is one; after the events of a stream

Of a completion:
request.json                  the CompleteRequest, as proto JSON
upstream_request.stream.json  the HTTP request where the answer is streamed
upstream_response.sse         the provider's streamed answer: status line and headers, an empty line, the body
upstream_response.eventstream.json
                              the same in AWS's binary framing: a list of {"headers": {":message-type": "event",
                              ":event-type": "messageStart", ...}, "payload": {...}}; see eventstream.py
response.json                 the CompleteResponse
events.json                   the StreamEvents

Of embedding: embed_request.json, the EmbedRequest, and embed_response.json, the EmbedResponse.
Of counting: count_request.json, the CompleteRequest whose tokens are counted, and count_response.json, the
CountTokensResponse.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, assert_never, cast

from google.protobuf import json_format
from google.protobuf.message import Message

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.dialect import Counting, Dialect, Embeddings, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import HttpRequest
from trunkline_server.providers.dialects import DIALECTS

Verb = Literal["complete", "embed", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One folder. What a folder does not hold is None."""

    name: str
    verb: Verb
    source: str
    deployment: Deployment
    request: Message
    """A CompleteRequest, or an EmbedRequest where the verb is "embed"."""
    upstream_request: dict[str, Any] | None
    upstream_stream_request: dict[str, Any] | None
    upstream_response: dict[str, Any] | None
    stream: bytes | None
    """Body of the streamed answer."""
    streamed: tuple[Any, ...]
    """The same, as the JSON of its whole events; frames of an event stream with their headers."""
    response: Any
    events: Any
    error: Any

    @property
    def dialect(self) -> Dialect:
        """The dialect that it is an exchange of."""
        return DIALECTS[self.deployment.provider.dialect]

    @property
    def embeddings(self) -> Embeddings:
        """The dialect's, which has to have them."""
        assert self.dialect.embeddings is not None, f"{self.dialect.name} has no embeddings"
        return self.dialect.embeddings

    @property
    def counting(self) -> Counting:
        """The dialect's, which has to have it."""
        assert self.dialect.counting is not None, f"{self.dialect.name} has no counting"
        return self.dialect.counting

    def encode(self, *, stream: bool = False) -> HttpRequest:
        """What the dialect makes of the request."""
        match self.verb:
            case "complete":
                return self.dialect.encode(cast(v1.CompleteRequest, self.request), self.deployment, stream=stream)
            case "embed":
                return self.embeddings.encode(cast(v1.EmbedRequest, self.request), self.deployment)
            case "count":
                return self.counting.encode(cast(v1.CompleteRequest, self.request), self.deployment)
            case _:
                assert_never(self.verb)

    def decode(self, body: bytes) -> Message:
        """What the dialect makes of the body of a whole answer."""
        match self.verb:
            case "complete":
                return self.dialect.decode(body, self.deployment)
            case "embed":
                return self.embeddings.decode(body, cast(v1.EmbedRequest, self.request), self.deployment)
            case "count":
                return self.counting.decode(body, self.deployment)
            case _:
                assert_never(self.verb)


def parse_http(data: bytes) -> bytes:
    """The body after the status line and headers. Raises ValueError if there are none."""
    head, _, body = data.partition(b"\n\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError("upstream_response.sse does not begin with HTTP/1.1 200, headers and an empty line")
    return body


def sse_data(stream: bytes) -> tuple[Any, ...]:
    """The JSON of every event of a stream whose frames are whole."""
    frames = stream.replace(b"\r\n", b"\n").decode().split("\n\n")
    lines = (
        line.removeprefix("data:").strip() for frame in frames for line in frame.split("\n") if line[:5] == "data:"
    )
    return tuple(json.loads(line) for line in lines if line.endswith("}"))


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
        decoder.feed(b"")  # a failure that stood behind these events
    except UpstreamError as error:
        return events, error
    return events, None
