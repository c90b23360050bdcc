"""The shapes of Cohere's answers and events, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. Members, events and kinds of content that the provider has added since are no failure: they are skipped, or kept as
   they came (msgspec.Raw).

Most members are of any type and looked at where they are used: members of events that are not known yet must not break
an answer. The shapes hold no cycles, so the garbage collector need not look at them.

Source: the types of the `cohere` package, 7.3.
"""

from typing import Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.jsontext import is_json
from trunkline_server.providers.lenient import mended

__all__ = [
    "Answer",
    "Citation",
    "Content",
    "Event",
    "Logprobs",
    "Message",
    "decode_answer",
    "decode_citations",
    "decode_content",
    "decode_event",
    "decode_logprobs",
    "decode_message",
    "malformed",
    "members_of_content",
    "raw_content",
    "text_of",
    "whole",
]

_NOTHING: Final = msgspec.Raw(b"")


class Content(msgspec.Struct, gc=False):
    """A part of the answer's content, or a piece of one."""

    type: Any = None
    text: Any = None
    thinking: Any = None


class Message(msgspec.Struct, gc=False):
    """The answer's message."""

    content: list[msgspec.Raw] | None = None
    tool_plan: Any = None
    tool_calls: list[Any] | None = None
    citations: msgspec.Raw = _NOTHING


class Answer(msgspec.Struct, gc=False):
    """A whole answer."""

    id: Any = None
    message: msgspec.Raw = _NOTHING
    finish_reason: Any = None
    usage: Any = None
    logprobs: msgspec.Raw = _NOTHING


class Piece(msgspec.Struct, gc=False):
    """What an event adds to the message."""

    content: Content | list[Any] | None = None
    """Of a message that starts: an empty list."""
    tool_plan: Any = None
    tool_calls: Any = None
    citations: msgspec.Raw = _NOTHING


class Delta(msgspec.Struct, gc=False):
    """What an event adds to the answer."""

    message: Piece | None = None
    finish_reason: Any = None
    error: Any = None
    usage: Any = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: Any = None
    id: Any = None
    index: Any = None
    delta: Delta | None = None
    logprobs: msgspec.Raw = _NOTHING
    message: Any = None
    """Of a failure that came in place of an event."""


class Citation(msgspec.Struct, gc=False):
    """A span of the answer and where it comes from."""

    start: Any = None
    end: Any = None
    sources: list[Any] | None = None
    content_index: Any = None
    type: Any = None


class Logprobs(msgspec.Struct, gc=False):
    """How likely a few tokens were. Their texts are told together, and not each."""

    text: str | None = None
    logprobs: list[float] | None = None


class _Typed(msgspec.Struct, gc=False):
    type: Any = None


class _RawPiece(msgspec.Struct, gc=False):
    content: msgspec.Raw = _NOTHING


class _RawDelta(msgspec.Struct, gc=False):
    message: _RawPiece = msgspec.field(default_factory=_RawPiece)


class _RawEvent(msgspec.Struct, gc=False):
    delta: _RawDelta = msgspec.field(default_factory=_RawDelta)


_Shape = TypeVar("_Shape")

_ANSWERS: Final = msgspec.json.Decoder(Answer)
_CITATION: Final = msgspec.json.Decoder(Citation)
_CONTENT: Final = msgspec.json.Decoder(Content)
_EVENTS: Final = msgspec.json.Decoder(Event)
_LISTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_LOGPROBS: Final = msgspec.json.Decoder(Logprobs)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MESSAGES: Final = msgspec.json.Decoder(Message)
_RAW_EVENTS: Final = msgspec.json.Decoder(_RawEvent)
_TYPED: Final = msgspec.json.Decoder(_Typed)

_KNOWN_EVENTS: Final = frozenset(
    {
        "message-start", "content-start", "content-delta", "content-end", "tool-plan-delta", "tool-call-start",
        "tool-call-delta", "tool-call-end", "citation-start", "citation-end", "message-end",
    }
)  # fmt: skip


def decode_answer(body: bytes) -> Answer:
    """The body of a whole answer. Raises UpstreamMalformed."""
    return _decode(_ANSWERS, body)


def decode_message(raw: msgspec.Raw) -> Message:
    """The answer's message. Raises UpstreamMalformed."""
    return _decode(_MESSAGES, raw)


def decode_content(raw: msgspec.Raw) -> Content:
    """A part of the content. Raises UpstreamMalformed."""
    return _decode(_CONTENT, raw)


def decode_event(data: bytes) -> Event:
    """The data of one event of a stream. Raises UpstreamMalformed."""
    try:
        return _EVENTS.decode(data)
    except msgspec.ValidationError as error:
        # An event of a kind that is not known may have members of the same names and other types.
        kind = _decode(_TYPED, data).type
        if isinstance(kind, str) and kind not in _KNOWN_EVENTS:
            return Event(type=kind)
        raise malformed() from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _strictly(_EVENTS, mended(data))


def raw_content(data: bytes) -> bytes:
    """The content of an event as it came, in UTF-8. Raises UpstreamMalformed."""
    return whole(_decode(_RAW_EVENTS, data).delta.message.content)


def members_of_content(data: bytes) -> dict[str, msgspec.Raw]:
    """The members of a content, each as it came. Raises UpstreamMalformed."""
    return _decode(_MEMBERS, data)


def decode_citations(raw: msgspec.Raw) -> list[tuple[Citation, bytes]]:
    """Sources, which come one by one or in a list; each with its bytes in UTF-8. Raises UpstreamMalformed."""
    if _is_nothing(raw):
        return []
    items = _decode(_LISTS, raw) if bytes(raw)[:1] == b"[" else [raw]
    return [(_decode(_CITATION, item), whole(item)) for item in items]


def decode_logprobs(raw: msgspec.Raw) -> list[Logprobs]:
    """Log probabilities, which come one by one or in a list. Raises UpstreamMalformed."""
    if _is_nothing(raw):
        return []
    items = _decode(_LISTS, raw) if bytes(raw)[:1] == b"[" else [raw]
    return [_decode(_LOGPROBS, item) for item in items]


def text_of(value: Any) -> str:
    """A text; empty where there is none. Raises UpstreamMalformed."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed()
    return value


def whole(raw: msgspec.Raw) -> bytes:
    """The bytes of an object in strict JSON: they are passed on unread. Raises UpstreamMalformed."""
    data = bytes(raw)
    if not is_json(data):
        data = mended(data)
    if data[:1] != b"{":
        raise malformed()
    return data


def _is_nothing(raw: msgspec.Raw) -> bool:
    return not raw or bytes(raw) == b"null"


def _decode(decoder: "msgspec.json.Decoder[_Shape]", data: bytes | msgspec.Raw) -> _Shape:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise malformed() from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _strictly(decoder, mended(bytes(data)))


def _strictly(decoder: "msgspec.json.Decoder[_Shape]", data: bytes) -> _Shape:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed() from error


def malformed() -> UpstreamMalformed:
    """The failure of bytes that are none of these shapes."""
    return UpstreamMalformed("the provider sent an answer that is not in its own format")
