"""The shapes of the Responses API's answers and events, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. Items are kept as the bytes they came in, so that a later turn gives the provider back what it sent.

Most members are of any type and looked at where they are used: members of events and items that are not known yet must
not break an answer. The shapes hold no cycles, so the garbage collector need not look at them.

Sources: the types of the `openai` package, 3.54; for what is missing there llama.cpp, vLLM and LiteLLM.
"""

from typing import Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.lenient import mended
from trunkline_server.providers.openai.wire import Token

__all__ = [
    "Event",
    "Item",
    "Part",
    "Response",
    "decode_event",
    "decode_item",
    "decode_parts",
    "decode_response_object",
    "decode_tokens",
    "is_filled",
    "is_set",
]


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str | None = None
    output_index: Any = None
    content_index: Any = None
    summary_index: Any = None
    item_id: Any = None
    delta: Any = None
    logprobs: Any = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class Item(msgspec.Struct, gc=False):
    """One output item, as far as it is read here."""

    type: Any = None
    id: Any = None
    call_id: Any = None
    name: Any = None
    arguments: Any = None
    input: Any = None
    content: msgspec.Raw = msgspec.Raw()
    summary: msgspec.Raw = msgspec.Raw()
    encrypted_content: msgspec.Raw = msgspec.Raw()


class Part(msgspec.Struct, gc=False):
    """A piece of a message, of a thought or of its summary."""

    type: Any = None
    text: Any = None
    refusal: Any = None
    annotations: msgspec.Raw = msgspec.Raw()
    logprobs: Any = None


class Response(msgspec.Struct, gc=False):
    """A whole answer; in events also one that is not whole yet."""

    id: Any = None
    model: Any = None
    status: Any = None
    usage: Any = None
    tool_usage: Any = None
    error: msgspec.Raw = msgspec.Raw()
    incomplete_details: msgspec.Raw = msgspec.Raw()
    output: list[msgspec.Raw] | None = None


_EVENTS: Final = msgspec.json.Decoder(Event)
_ITEMS: Final = msgspec.json.Decoder(Item)
_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PART: Final = msgspec.json.Decoder(Part)
_RESPONSES: Final = msgspec.json.Decoder(Response)

_Shape = TypeVar("_Shape")


def is_set(raw: msgspec.Raw) -> bool:
    """Whether a member is there and not null."""
    return bytes(raw) not in (b"", b"null")


def is_filled(raw: msgspec.Raw | None) -> bool:
    """Whether a member is there and holds something."""
    return raw is not None and bytes(raw) not in (b"", b"null", b'""', b"[]")


def decode_event(payload: bytes) -> Event:
    """The data of one event. Raises UpstreamMalformed."""
    try:
        return _EVENTS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decoded(_EVENTS, mended(payload))


def decode_response_object(data: bytes | msgspec.Raw) -> Response:
    """A whole answer. Raises UpstreamMalformed."""
    try:
        return _RESPONSES.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decoded(_RESPONSES, mended(bytes(data)))


def decode_item(raw: msgspec.Raw) -> tuple[Item, bytes]:
    """An output item, and its bytes in valid UTF-8. Raises UpstreamMalformed."""
    data = bytes(raw)
    try:
        data.decode()  # the parser does not look at bytes that nobody reads
        return _ITEMS.decode(data), data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data = mended(data)
        return _decoded(_ITEMS, data), data


def decode_parts(raw: msgspec.Raw) -> list[tuple[Part, msgspec.Raw]]:
    """The parts of an item, and the bytes of each. Raises UpstreamMalformed."""
    parts = _decoded(_PARTS, raw) if is_set(raw) else []
    return [(_decoded(_PART, part), part) for part in parts]


def decode_tokens(value: Any) -> list[Token]:
    """Log probabilities; none where there are none. Raises UpstreamMalformed."""
    if not value:
        return []
    try:
        return msgspec.convert(value, list[Token])
    except (msgspec.ValidationError, RecursionError) as error:
        raise _malformed() from error


def _decoded(decoder: "msgspec.json.Decoder[_Shape]", data: bytes | msgspec.Raw) -> _Shape:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent an answer that is not in its own format")
