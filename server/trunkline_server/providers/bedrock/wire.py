"""The shapes of Converse's answers and events, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. What the gateway does not read is kept as the bytes it came in (msgspec.Raw), or not at all.

The shapes hold no cycles, so the garbage collector need not look at them.

Source: the service model of bedrock-runtime in botocore 1.44.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Annotated, Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.lenient import mended

__all__ = [
    "Answer",
    "BlockDelta",
    "BlockStart",
    "BlockStop",
    "Citation",
    "Cited",
    "Content",
    "Delta",
    "Media",
    "MessageStop",
    "Metadata",
    "Reasoning",
    "ToolResult",
    "ToolUse",
    "from_base64",
    "members",
    "read",
]

_NOTHING: Final = msgspec.Raw()
"""A member that is not there. msgspec gives the bytes of one that is, be it null."""

_Place = Annotated[int, msgspec.Meta(ge=0, le=1 << 20)]


class Source(msgspec.Struct, gc=False):
    """Where the bytes of a medium are."""

    bytes: str | None = None
    """In base64."""
    s3Location: Any = None  # noqa: N815 - the wire's own name, here and below


class Media(msgspec.Struct, gc=False):
    """A picture, a sound, a film or a document; in a stream, the format at first and then the source."""

    format: str | None = None
    source: Source | None = None
    name: str | None = None
    error: Any = None


class ToolUse(msgspec.Struct, gc=False):
    """A call of a tool. In a stream the input comes as pieces of a text."""

    toolUseId: str | None = None  # noqa: N815
    name: str | None = None
    input: msgspec.Raw = _NOTHING
    type: str | None = None
    """Set where Bedrock runs the tool itself."""


class ToolResult(msgspec.Struct, gc=False):
    """What a tool that Bedrock runs gave back."""

    toolUseId: str | None = None  # noqa: N815
    type: str | None = None
    status: str | None = None
    content: list[msgspec.Raw] | None = None


class ReasoningText(msgspec.Struct, gc=False):
    """A thought and the signature over it."""

    text: str = ""
    signature: str | None = None


class Reasoning(msgspec.Struct, gc=False):
    """A thought, or a withheld one; in a stream, a piece of it."""

    reasoningText: ReasoningText | None = None  # noqa: N815
    redactedContent: str | None = None  # noqa: N815
    text: str | None = None
    signature: str | None = None


class Piece(msgspec.Struct, gc=False):
    """A piece of text."""

    text: str | None = None


class Cited(msgspec.Struct, gc=False):
    """Text and the sources of it."""

    content: list[Piece] | None = None
    citations: list[msgspec.Raw] | None = None


class Web(msgspec.Struct, gc=False):
    """A place on the web."""

    url: str | None = None


class Location(msgspec.Struct, gc=False):
    """Where in the source; the other members of the union are in Citation.opaque alone."""

    web: Web | None = None


class Citation(msgspec.Struct, gc=False):
    """A source."""

    title: str | None = None
    source: str | None = None
    sourceContent: list[Piece] | None = None  # noqa: N815
    location: Location | None = None


class Content(msgspec.Struct, gc=False):
    """A block of an answer: one of these, or something newer."""

    text: str | None = None
    toolUse: ToolUse | None = None  # noqa: N815
    reasoningContent: Reasoning | None = None  # noqa: N815
    citationsContent: Cited | None = None  # noqa: N815
    image: Media | None = None
    audio: Media | None = None
    video: Media | None = None
    document: Media | None = None
    toolResult: ToolResult | None = None  # noqa: N815


class Message(msgspec.Struct, gc=False):
    """The answer's message."""

    content: list[msgspec.Raw] | None = None


class Output(msgspec.Struct, gc=False):
    """What holds the message."""

    message: Message | None = None


class Answer(msgspec.Struct, gc=False):
    """A whole answer."""

    output: Output | None = None
    stopReason: str | None = None  # noqa: N815
    usage: Any = None
    additionalModelResponseFields: Any = None  # noqa: N815
    trace: Any = None


class Start(msgspec.Struct, gc=False):
    """How a block begins. Texts and thoughts begin with their first piece."""

    toolUse: ToolUse | None = None  # noqa: N815
    toolResult: ToolResult | None = None  # noqa: N815
    image: Media | None = None


class BlockStart(msgspec.Struct, gc=False):
    """The event at which a block begins."""

    start: msgspec.Raw
    contentBlockIndex: _Place  # noqa: N815

    def read(self) -> Start:
        """What begins. Raises UpstreamMalformed."""
        return read(Start, self.start)


class CallPiece(msgspec.Struct, gc=False):
    """A piece of a call's input."""

    input: str = ""


class Delta(msgspec.Struct, gc=False):
    """A piece of a block: one of these, or something newer."""

    text: str | None = None
    toolUse: CallPiece | None = None  # noqa: N815
    reasoningContent: Reasoning | None = None  # noqa: N815
    citation: msgspec.Raw = _NOTHING
    toolResult: list[msgspec.Raw] | None = None  # noqa: N815
    image: Media | None = None


class BlockDelta(msgspec.Struct, gc=False):
    """The event that brings a piece."""

    delta: Delta
    contentBlockIndex: _Place  # noqa: N815


class BlockStop(msgspec.Struct, gc=False):
    """The event at which a block ends."""

    contentBlockIndex: _Place  # noqa: N815


class MessageStop(msgspec.Struct, gc=False):
    """The event that gives the reason of the end."""

    stopReason: str | None = None  # noqa: N815
    additionalModelResponseFields: Any = None  # noqa: N815


class Metadata(msgspec.Struct, gc=False):
    """The event after the end: what was used."""

    usage: Any = None
    trace: Any = None


_Shape = TypeVar("_Shape", bound=msgspec.Struct)

_SHAPES: Final[tuple[type[msgspec.Struct], ...]] = (
    Answer,
    BlockDelta,
    BlockStart,
    BlockStop,
    Citation,
    Content,
    MessageStop,
    Metadata,
    Start,
)
_DECODERS: Final[dict[Any, Any]] = {shape: msgspec.json.Decoder(shape) for shape in _SHAPES}
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(shape: type[_Shape], data: bytes | msgspec.Raw) -> _Shape:
    """What these bytes are. Raises UpstreamMalformed."""
    try:
        found: _Shape = _DECODERS[shape].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(shape, bytes(data))
    return found


def _read_leniently(shape: type[_Shape], data: bytes) -> _Shape:
    try:
        found: _Shape = _DECODERS[shape].decode(mended(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error
    return found


def members(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of an object, unread. Raises UpstreamMalformed."""
    try:
        return _MEMBERS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error


def from_base64(data: str) -> bytes:
    """The bytes of a medium. Raises UpstreamMalformed."""
    try:
        return b64decode(data, validate=True)
    except (Base64Error, ValueError) as error:
        raise UpstreamMalformed("the provider sent bytes that are not base64") from error


def _malformed() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent an answer that is not in its own format")
