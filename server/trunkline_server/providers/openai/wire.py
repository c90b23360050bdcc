"""The shapes of OpenAI's answers and chunks, and how bytes become them.

1. Whatever the bytes are, the outcome is one of these shapes or UpstreamMalformed.
2. What compatible servers are known to send beside OpenAI's own shapes is taken: see the fields.
3. A number with a fraction or an exponent, where any value may stand, is kept as the text it came in (msgspec.Raw):
   as a float it might be another number, and it may be an argument of a tool.

The shapes hold no cycles, so the garbage collector need not look at them.

Sources: the response types of the `openai` package, 3.54; for the rest the sources that table.py names.
"""

import json
from typing import Annotated, Any, Final, TypeVar

import msgspec

from trunkline_server.core.errors import UpstreamMalformed

__all__ = [
    "Answer",
    "Audio",
    "Choice",
    "Chunk",
    "Logprobs",
    "Message",
    "Token",
    "ToolCall",
    "decode_answer",
    "decode_chunk",
]

_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Call = Annotated[int, msgspec.Meta(ge=0, le=1 << 20)]


class Function(msgspec.Struct, gc=False):
    """A call's name and arguments."""

    name: str | None = None
    arguments: Any = None
    """A JSON text; some servers send the value itself, whose numbers stay as they were written."""


class Custom(msgspec.Struct, gc=False):
    """A call of a tool that takes free text."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    index: _Call | None = None
    """Which call the piece belongs to; left out by some servers."""
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Audio(msgspec.Struct, gc=False):
    """Sound, or a piece of it."""

    data: str | None = None
    """In base64."""
    transcript: str | None = None


class Candidate(msgspec.Struct, gc=False):
    """A token that could have stood at a place."""

    token: str = ""
    bytes: list[_Byte] | None = None
    logprob: float | None = None


class Token(Candidate, gc=False):
    """A token of the answer."""

    top_logprobs: list[Candidate] | None = None


class Logprobs(msgspec.Struct, gc=False):
    """Log probabilities of an answer's tokens, or of a piece's."""

    content: list[Token] | None = None
    refusal: list[Token] | None = None


class Message(msgspec.Struct, gc=False):
    """The answer's message; in a stream, a piece of it."""

    content: str | list[Any] | None = None
    """Mistral and Databricks: parts, thoughts among them."""
    refusal: str | None = None
    reasoning_content: str | None = None
    """DeepSeek, llama.cpp, older vLLM."""
    reasoning: Any = None
    """OpenRouter, Groq, newer vLLM: text."""
    reasoning_details: list[Any] | None = None
    """OpenRouter, MiniMax: the same thoughts, with what is needed to send them back."""
    thinking_blocks: list[Any] | None = None
    """LiteLLM: the same, of Claude."""
    images: list[Any] | None = None
    """OpenRouter, LiteLLM: pictures that the model drew."""
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: Audio | None = None
    annotations: list[Any] | None = None


class Choice(msgspec.Struct, gc=False):
    """One answer. We never ask for more than one."""

    index: int | None = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: Any = None
    """vLLM: the stop sequence that was met, or the id of a token."""
    matched_stop: Any = None
    """SGLang: the same."""
    stopping_word: Any = None
    """llama.cpp: the stop sequence that was met, or an empty text."""
    native_finish_reason: Any = None
    """OpenRouter: what the provider behind it says."""
    content_filter_results: Any = None
    """Azure: what its filter found, by category."""
    usage: Any = None
    """Moonshot: usage within the last choice."""
    error: Any = None
    """OpenRouter: what went wrong at the provider behind it."""


class Answer(msgspec.Struct, gc=False):
    """A whole answer."""

    id: Any = None
    object: Any = None
    model: Any = None
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    citations: Any = None
    """Perplexity, xAI: addresses of the sources."""
    search_results: Any = None
    """Perplexity: the sources with their titles."""
    x_groq: Any = None
    """Groq: usage and errors of a stream."""
    base_resp: Any = None
    """MiniMax: how it went, where the status is 200 whatever happened."""


class Chunk(Answer, gc=False):
    """One chunk of a streamed answer: the same members, with delta for message."""


def _as_written(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


_ANSWERS: Final = msgspec.json.Decoder(Answer, float_hook=_as_written)
_CHUNKS: Final = msgspec.json.Decoder(Chunk, float_hook=_as_written)

MAX_LENIENT_BYTES: Final = 256 * 1024
"""Above this an answer that is not quite JSON is refused: to mend it would hold up the loop."""

_INT64_BITS: Final = 63

_Shape = TypeVar("_Shape", Answer, Chunk)


def decode_answer(body: bytes) -> Answer:
    """The body of a whole answer. Raises UpstreamMalformed."""
    return _decode(_ANSWERS, Answer, body)


def decode_chunk(data: bytes) -> Chunk:
    """The data of one event of a stream. Raises UpstreamMalformed."""
    return _decode(_CHUNKS, Chunk, data)


def _decode(decoder: "msgspec.json.Decoder[_Shape]", shape: type[_Shape], data: bytes) -> _Shape:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(shape, data)


def _decode_leniently(shape: type[_Shape], data: bytes) -> _Shape:
    """Decode what is JSON but for its characters or numbers.

    Servers that cut text between two UTF-16 halves send lone surrogates, others send bytes that are not UTF-8, or
    -Infinity as a logarithm. Losing the answer for that would be worse than a replacement character.
    """
    if len(data) > MAX_LENIENT_BYTES:
        raise UpstreamMalformed("the provider sent an answer that is not in its own format")
    try:
        value = json.loads(data.decode("utf-8", "replace"))
        return msgspec.convert(_mended(value), shape)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise UpstreamMalformed("the provider sent an answer that is not in its own format") from error


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if type(value) is int and value.bit_length() > _INT64_BITS:  # stays as it was written, too
        return _as_written(str(value))
    return value
