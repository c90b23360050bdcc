"""How many tokens an input may have, told from lengths alone: no tokenizer stands in the path of a call.

Rules of thumb, from what providers publish. Text: 4 bytes of UTF-8 to a token, which is about right for English and
code, and for scripts whose characters take two or three bytes and make up a half or a whole token each. Turns and tools
carry a few tokens of their own. A picture costs what a middling one costs at most providers, less where a coarse look
is asked for; sound 32 tokens a second, taken at 8,000 bytes a second; a document 1,500 tokens a page, taken at 50,000
bytes a page; film 300 tokens a second, taken at 250,000 bytes a second.

Sources: https://developers.openai.com/api/docs/guides/images-vision, https://ai.google.dev/gemini-api/docs/tokens,
https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support.
"""

from collections.abc import Iterable
from typing import Final

from trunkline import v1

TEXT_BYTES: Final = 4
"""Bytes of UTF-8 to a token."""
TURN_TOKENS: Final = 4
TOOL_TOKENS: Final = 8
IMAGE_TOKENS: Final = 1_200
COARSE_IMAGE_TOKENS: Final = 85
UNSEEN_TOKENS: Final = 2_000
"""Of what stands at an address or in a file at the provider."""

_PER_BYTES: Final = {"audio": (32, 8_000, 32), "video": (300, 250_000, 300), "application": (1_500, 50_000, 1_500)}
"""By the first half of the media type: so many tokens to so many bytes, and so many at least."""


def input_tokens(request: v1.CompleteRequest) -> int:
    """Tokens of a whole request, roughly."""
    tokens = sum(TURN_TOKENS + _of_blocks(message.blocks) for message in request.messages)
    for tool in request.tools:
        tokens += TOOL_TOKENS + _of_bytes(tool.ByteSize())
    if request.HasField("response_format"):
        tokens += _of_bytes(request.response_format.ByteSize())
    return tokens


def embedding_tokens(request: v1.EmbedRequest) -> int:
    """Tokens of all inputs, roughly."""
    return sum(_of_blocks(each.blocks) for each in request.inputs)


def _of_blocks(blocks: Iterable[v1.Block]) -> int:
    tokens = 0
    for block in blocks:
        kind = block.WhichOneof("kind")
        if kind == "media":
            tokens += _of_media(block.media)
        elif kind == "tool_result":
            tokens += TURN_TOKENS + _of_blocks(block.tool_result.blocks)
        elif kind == "text":
            tokens += _of_bytes(len(block.text.text.encode()))
        elif kind is not None:
            tokens += _of_bytes(getattr(block, kind).ByteSize())
    return tokens


def _of_media(media: v1.Media) -> int:
    if media.WhichOneof("source") != "data":
        return UNSEEN_TOKENS
    kind = media.mime_type.partition("/")[0]
    if kind == "image":
        return COARSE_IMAGE_TOKENS if media.detail == v1.MEDIA_DETAIL_LOW else IMAGE_TOKENS
    if kind == "text":
        return _of_bytes(len(media.data))
    tokens, size, least = _PER_BYTES.get(kind, _PER_BYTES["application"])
    return max(least, -(-len(media.data) * tokens // size))


def _of_bytes(size: int) -> int:
    return -(-size // TEXT_BYTES)
