"""Golden streams taken apart into events, and put together again once these were changed."""

import json
from collections.abc import Sequence
from typing import Any

from tests.golden import eventstream
from tests.golden.exchange import Exchange
from trunkline_server.providers.framing.sse import SseFraming

Event = tuple[Any, Any]
"""Name or headers, and the payload: JSON, or text where it is none, such as [DONE]."""


def events_of(exchange: Exchange) -> list[Event]:
    """The events of a golden stream."""
    if _is_binary(exchange):
        return [(frame["headers"], frame["payload"]) for frame in exchange.streamed]
    framing = SseFraming()
    frames = framing.feed(exchange.stream or b"") + framing.end()
    return [(name.decode(), _json(data.decode("utf-8", "replace"))) for name, data in frames]


def in_frames(exchange: Exchange, events: Sequence[Event]) -> bytes:
    """The bytes of these events, framed as those of the exchange are."""
    if _is_binary(exchange):
        return eventstream.encode({"headers": head, "payload": _in_utf8(payload)} for head, payload in events)
    return b"".join(_frame(name, payload) for name, payload in events)


def _is_binary(exchange: Exchange) -> bool:
    return bool(exchange.streamed) and "headers" in exchange.streamed[0]


def _frame(name: str, payload: Any) -> bytes:
    data = payload if isinstance(payload, str) else json.dumps(payload)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode("utf-8", "replace")


def _in_utf8(payload: Any) -> Any:
    """Without halves of characters, which that framing's text can't hold."""
    return json.loads(json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
