"""The bounds of requests that the contract states, and what of a block is beyond them.

1. Content (texts, thoughts, arguments, data, what only providers read) is bounded by the message it comes in, and so
   are the log probabilities of a replayed answer, which nobody reads.
2. Everything else in a block is a word: an id, a name, an address, a title. Models and providers wrote most of them,
   and their answers are replayed as they came, so the bound is a wide one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from trunkline import v1

MAX_MODEL_BYTES: Final = 256
MAX_MESSAGES: Final = 4096
MAX_BLOCKS: Final = 16_384
"""Blocks of all messages, or of all inputs, together, those in tool results included."""
MAX_PARTICIPANT_BYTES: Final = 64
MAX_CITATIONS: Final = 4096
"""Of one text."""
MAX_WORD_BYTES: Final = 64 * 1024
MAX_MEDIA_TYPE_CHARS: Final = 127
MAX_MEDIA_CONTEXT_BYTES: Final = 4096
MAX_TOOLS: Final = 512
MAX_TOOLS_JSON_BYTES: Final = 4 * 1024 * 1024
"""JSON of all tools together. Each is read three times before it leaves."""
MAX_NAME_CHARS: Final = 64
MAX_DESCRIPTION_BYTES: Final = 64 * 1024
MAX_DIALECT_BYTES: Final = 64
MAX_TOOL_TYPE_BYTES: Final = 256
MAX_JSON_BYTES: Final = 1024 * 1024
"""Bound on a JSON object of the caller's, where the contract states no smaller one."""
MAX_STOPS: Final = 16
MAX_STOP_BYTES: Final = 256
MAX_LABELS: Final = 32
MAX_LABEL_KEY_BYTES: Final = 64
MAX_LABEL_VALUE_BYTES: Final = 256
MAX_FALLBACK_MODELS: Final = 8
MAX_PROVIDERS_OR_REGIONS: Final = 256
MAX_PROVIDER_BYTES: Final = 64
MAX_REGION_BYTES: Final = 256
MAX_IDEMPOTENCY_KEY_BYTES: Final = 128
MAX_CACHE_KEY_BYTES: Final = 64
MAX_PROVIDER_OPTIONS: Final = 8
MAX_PROVIDER_OPTION_BYTES: Final = 64 * 1024
MAX_TOP_LOGPROBS: Final = 20
MAX_INPUTS: Final = 2048
MAX_INPUT_BLOCKS: Final = 64
"""Of one input."""
MAX_DIMENSIONS: Final = 65_536
MAX_PAGE_TOKEN_BYTES: Final = 256

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "reasoning": ("id",),
    "tool_call": ("id", "name"),
    "tool_result": ("tool_call_id", "name"),
    "media": ("uri", "file_id", "name"),
    "citation": ("uri", "title", "source_id"),
    "provider_opaque": ("type",),
    "origin": ("provider", "model", "format"),
}
"""The words in a block, by the field that they stand in. What is not here is content."""

Fault = tuple[str, str]
"""A path from the block on, and the mend."""


def beyond(block: v1.Block, kind: str | None) -> Sequence[Fault]:
    """What of a block of that kind is beyond its bounds. Blocks within a tool result are not looked at.

    Requests have thousands of blocks and next to none has a fault, so that no generator is made where there is none.
    """
    faults: Sequence[Fault] = ()
    if kind == "text":
        if citations := block.text.citations:
            faults = tuple(_citations(citations))
    elif kind is not None:
        faults = _words(getattr(block, kind), kind, f".{kind}")
    if block.HasField("origin"):
        faults = (*faults, *_words(block.origin, "origin", ".origin"))
    return faults


def _citations(citations: Sequence[v1.Citation]) -> Iterator[Fault]:
    if len(citations) > MAX_CITATIONS:
        yield ".text.citations", f"{len(citations)} entries, at most {MAX_CITATIONS} are taken; leave some out"
        return
    for index, citation in enumerate(citations[:]):
        yield from _words(citation, "citation", f".text.citations[{index}]")


def _words(message: Message, field: str, where: str) -> Sequence[Fault]:
    faults: Sequence[Fault] = ()
    for name in WORDS[field]:
        word = getattr(message, name)
        if len(word) * 4 > MAX_WORD_BYTES and len(word.encode()) > MAX_WORD_BYTES:
            faults = (*faults, (f"{where}.{name}", f"longer than {MAX_WORD_BYTES} bytes; shorten it"))
    return faults
