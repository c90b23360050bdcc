"""Golden exchanges: DIALECT/CASE is one exchange, from the caller's request to the caller's answer.

source.md                     what it was written after, which version, when; "recorded" only if it was
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
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message

from trunkline import v1
from trunkline_server.core.deployment import Deployment, Provider
from trunkline_server.core.dialect import Dialect, StreamDecoder
from trunkline_server.core.errors import UpstreamError
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.providers.registry import dialect

DIALECT: Final = dialect("openai")
DEPLOYMENT: Final = Deployment(
    name="openai/gpt-5-mini",
    provider=Provider(
        name="openai",
        dialect="openai",
        endpoint=Endpoint(scheme="https", host="api.openai.com", port=443),
        base_path="/v1",
        credential=Secret("sk-not-a-real-key"),
    ),
    upstream_model="gpt-5-mini",
)
LOCAL: Final = Deployment(
    name="local/smollm2-135m",
    provider=Provider(
        name="local",
        dialect="local",
        endpoint=Endpoint(scheme="http", host="127.0.0.1", port=8080),
        base_path="/v1",
        max_tokens_key="max_tokens",
    ),
    upstream_model="smollm2-135m",
)
_FOLDER: Final = Path(__file__).parent
_DEPLOYMENTS: Final = {"openai": DEPLOYMENT, "local": LOCAL}


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
        return dialect(self.deployment.provider.dialect)


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All of them, by name."""
    return tuple(
        _read(folder, deployment)
        for name, deployment in _DEPLOYMENTS.items()
        for folder in sorted((_FOLDER / name).iterdir())
    )


def _read(folder: Path, deployment: Deployment) -> Exchange:
    stream = folder / "upstream_response.sse"
    return Exchange(
        name=f"{deployment.provider.dialect}/{folder.name}",
        source=(folder / "source.md").read_text(),
        deployment=deployment,
        request=json_format.ParseDict(_json(folder / "request.json"), v1.CompleteRequest()),
        upstream_request=_json(folder / "upstream_request.json"),
        upstream_stream_request=_json(folder / "upstream_request.stream.json"),
        upstream_response=_json(folder / "upstream_response.json"),
        stream=parse_http(stream.read_bytes()) if stream.exists() else None,
        response=_json(folder / "response.json"),
        events=_json(folder / "events.json"),
        error=_json(folder / "error.json"),
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def parse_http(data: bytes) -> bytes:
    """The body after the status line and headers."""
    head, _, body = data.partition(b"\n\n")
    assert head.startswith(b"HTTP/1.1 200 ")
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
