"""The shapes of Anthropic's answers and events, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. Members, events and kinds of blocks that the provider has added since are no failure: they are skipped, or kept as
   they came (msgspec.Raw).

The shapes hold no cycles, so the garbage collector need not look at them.

Source: the response types of the `anthropic` package, 2.12, beta ones included.
"""

from typing import Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.jsontext import is_json

__all__ = [
    "Answer",
    "Block",
    "Citation",
    "Delta",
    "Event",
    "decode_answer",
    "decode_block",
    "decode_citation",
    "decode_count",
    "decode_event",
    "kind_of",
    "members_of_block",
]

_NOTHING: Final = msgspec.Raw(b"")


class Block(msgspec.Struct, gc=False):
    """A block of one of the kinds that have a form in the contract."""

    type: str
    text: str | None = None
    citations: list[msgspec.Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _NOTHING
    caller: msgspec.Raw = _NOTHING
    toolset_name: msgspec.Raw = _NOTHING


class Citation(msgspec.Struct, gc=False):
    """A source, of any kind of place within it."""

    cited_text: str | None = None
    title: str | None = None
    document_title: str | None = None
    url: str | None = None
    source: str | None = None
    file_id: str | None = None


class Answer(msgspec.Struct, gc=False):
    """A whole answer; in a stream, its beginning."""

    type: Any = None
    id: Any = None
    model: Any = None
    content: list[msgspec.Raw] | None = None
    stop_reason: Any = None
    stop_sequence: Any = None
    stop_details: Any = None
    usage: Any = None
    container: msgspec.Raw = _NOTHING


class Delta(msgspec.Struct, gc=False):
    """A piece of a block, or of what an answer says at its end."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: msgspec.Raw = _NOTHING
    stop_reason: Any = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: msgspec.Raw = _NOTHING


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: msgspec.Raw = _NOTHING
    message: Answer | None = None
    usage: Any = None


class _Typed(msgspec.Struct, gc=False):
    type: str = ""


class _TypedDelta(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Typed = msgspec.field(default_factory=_Typed)


_Shape = TypeVar("_Shape")

_ANSWERS: Final = msgspec.json.Decoder(Answer)
_BLOCKS: Final = msgspec.json.Decoder(Block)
_CITATIONS: Final = msgspec.json.Decoder(Citation)
_COUNTS: Final = msgspec.json.Decoder(dict[str, Any])
_EVENTS: Final = msgspec.json.Decoder(Event)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TYPED: Final = msgspec.json.Decoder(_Typed)
_TYPED_DELTAS: Final = msgspec.json.Decoder(_TypedDelta)

_KNOWN_EVENTS: Final = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"}
)
_KNOWN_DELTAS: Final = frozenset(
    {"text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta"}
)


def decode_answer(body: bytes) -> Answer:
    """The body of a whole answer. Raises UpstreamMalformed."""
    return _decode(_ANSWERS, body)


def decode_count(body: bytes) -> dict[str, Any]:
    """The body of an answer to a question for a count. Raises UpstreamMalformed."""
    return _decode(_COUNTS, body)


def decode_block(data: msgspec.Raw) -> Block:
    """A block of a known kind. Raises UpstreamMalformed."""
    return _decode(_BLOCKS, data)


def decode_citation(data: msgspec.Raw) -> Citation:
    """A source. Raises UpstreamMalformed."""
    return _decode(_CITATIONS, data)


def kind_of(data: msgspec.Raw) -> str:
    """The type of a block. Raises UpstreamMalformed."""
    return _decode(_TYPED, data).type


def members_of_block(data: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """The members of a block or of a piece of one, each as it came: JSON in UTF-8. Raises UpstreamMalformed."""
    if not is_json(bytes(data)):
        raise malformed()
    return _decode(_MEMBERS, data)


def decode_event(data: bytes) -> Event:
    """The data of one event of a stream. Raises UpstreamMalformed."""
    try:
        return _EVENTS.decode(data)
    except msgspec.ValidationError as error:
        return _unknown(data, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed() from error


def _unknown(data: bytes, cause: Exception) -> Event:
    """An event of a kind that is not known may have members of the same names and other types."""
    kind = _decode(_TYPED, data).type
    if kind not in _KNOWN_EVENTS:
        return Event(type=kind)
    if kind == "content_block_delta":
        piece = _decode(_TYPED_DELTAS, data)
        if piece.delta.type not in _KNOWN_DELTAS:
            return Event(type=kind, index=piece.index, delta=Delta(type=piece.delta.type))
    raise malformed() from cause


def _decode(decoder: "msgspec.json.Decoder[_Shape]", data: bytes | msgspec.Raw) -> _Shape:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed() from error


def malformed() -> UpstreamMalformed:
    """The failure of bytes that are none of these shapes."""
    return UpstreamMalformed("the provider sent an answer that is not in its own format")
