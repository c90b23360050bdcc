"""The shapes of Gemini's answers, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. Arguments of calls are kept as the bytes that came, and so is each part that is none of ours to read.

The shapes hold no cycles, so the garbage collector need not look at them.

Sources: the discovery document of the Gemini API, v1beta, revision 20260529, that of Vertex AI, v1, revision 20260509,
and the types of google-genai 3.4.
"""

from typing import Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed

__all__ = ["Candidate", "Chunk", "LogprobsResult", "Part", "Token", "decode_chunk", "decoded", "raw_parts", "read_any"]

_NOTHING: Final = msgspec.Raw(b"")


class Blob(msgspec.Struct, gc=False):
    """Bytes of a medium."""

    mimeType: str = ""  # noqa: N815 - the wire's own names, here and below
    data: str = ""
    """In base64."""


class FileData(msgspec.Struct, gc=False):
    """A medium by its address."""

    mimeType: str = ""  # noqa: N815
    fileUri: str = ""  # noqa: N815


class FunctionCall(msgspec.Struct, gc=False):
    """A call of a function."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = _NOTHING


class Part(msgspec.Struct, gc=False):
    """A part of the answer, as far as it is read."""

    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None  # noqa: N815
    functionCall: FunctionCall | None = None  # noqa: N815
    inlineData: Blob | None = None  # noqa: N815
    fileData: FileData | None = None  # noqa: N815


class Content(msgspec.Struct, gc=False):
    """What the model said."""

    parts: list[Part] | None = None


class Token(msgspec.Struct, gc=False):
    """A token, and how likely it was."""

    token: str | None = None
    logProbability: float | None = None  # noqa: N815


class TopCandidates(msgspec.Struct, gc=False):
    """The likeliest tokens at one place."""

    candidates: list[Token] | None = None


class LogprobsResult(msgspec.Struct, gc=False):
    """Log probabilities, token by token."""

    chosenCandidates: list[Token] | None = None  # noqa: N815
    topCandidates: list[TopCandidates] | None = None  # noqa: N815


class Candidate(msgspec.Struct, gc=False):
    """An answer, or a piece of one. We never ask for more than one."""

    content: Content | None = None
    index: int | None = None
    finishReason: str | None = None  # noqa: N815
    finishMessage: Any = None  # noqa: N815
    safetyRatings: msgspec.Raw = _NOTHING  # noqa: N815
    """Some models send them with each chunk; they are read where the answer was blocked."""
    citationMetadata: msgspec.Raw = _NOTHING  # noqa: N815
    groundingMetadata: msgspec.Raw = _NOTHING  # noqa: N815
    urlContextMetadata: msgspec.Raw = _NOTHING  # noqa: N815
    logprobsResult: LogprobsResult | None = None  # noqa: N815


class PromptFeedback(msgspec.Struct, gc=False):
    """What the filter says of the prompt."""

    blockReason: str | None = None  # noqa: N815
    blockReasonMessage: str | None = None  # noqa: N815


class Chunk(msgspec.Struct, gc=False):
    """A whole answer, or one chunk of a streamed one: the members are the same."""

    candidates: list[Candidate] | None = None
    promptFeedback: PromptFeedback | None = None  # noqa: N815
    usageMetadata: msgspec.Raw = _NOTHING  # noqa: N815
    """Each chunk has it, and the last one counts: it is read when it is asked for."""
    modelVersion: str | None = None  # noqa: N815
    responseId: str | None = None  # noqa: N815
    error: Any = None


class _RawContent(msgspec.Struct, gc=False):
    parts: list[msgspec.Raw] | None = None


class _RawCandidate(msgspec.Struct, gc=False):
    content: _RawContent | None = None
    index: int | None = None


class _RawChunk(msgspec.Struct, gc=False):
    candidates: list[_RawCandidate] | None = None


_ANY: Final = msgspec.json.Decoder()
_CHUNKS: Final = msgspec.json.Decoder(Chunk)
_RAW_CHUNKS: Final = msgspec.json.Decoder(_RawChunk)

_Shape = TypeVar("_Shape")


def decode_chunk(data: bytes) -> Chunk:
    """An answer or a chunk. Raises UpstreamMalformed."""
    return decoded(_CHUNKS, data)


def read_any(raw: bytes | msgspec.Raw) -> Any:
    """Any JSON, None where there is nothing. Raises UpstreamMalformed."""
    return decoded(_ANY, raw) if raw else None


def raw_parts(data: bytes) -> list[bytes]:
    """The parts of the first candidate, each as it was written. Raises UpstreamMalformed."""
    for candidate in decoded(_RAW_CHUNKS, data).candidates or ():
        if not candidate.index:
            return [bytes(part) for part in (candidate.content and candidate.content.parts) or ()]
    return []


def decoded(decoder: "msgspec.json.Decoder[_Shape]", data: bytes | msgspec.Raw) -> _Shape:
    """What the bytes are. Raises UpstreamMalformed."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamMalformed("the provider sent an answer that is not in its own format") from error
