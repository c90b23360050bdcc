"""Makes the events of an answer out of its chunks. A whole answer is one chunk.

1. Each part becomes a block of its own, but for parts of one kind that follow one another: text, thoughts and raw sound
   come in pieces. A part with a signature is never joined to another, so that it goes back as it came.
2. What is not ours to read (code and what it gave, the provider's own tools, pictures that were thoughts, parts of
   kinds that are not known) is kept as the bytes of the whole part.
3. Texts stay open until the end, because their sources are told then; so do blocks behind them.

    nothing --text | thought | sound--> it grows --the same, unsigned--> it grows --signature, another part--> nothing
"""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.events import AnswerEvents, OpenBlock
from trunkline_server.providers.gemini.endings import (
    blocked,
    ending_of,
    finish_detail,
    is_ending,
    token_logprobs,
    usage_of,
)
from trunkline_server.providers.gemini.errors import reported_error
from trunkline_server.providers.gemini.sources import Sources
from trunkline_server.providers.gemini.wire import Blob, Candidate, Chunk, Part, decoded, raw_parts, read_any
from trunkline_server.providers.toolcalls import tell_tool_calls

__all__ = ["AnswerParts"]

_RAW_SOUND: Final = ("audio/l16", "audio/pcm")
"""Sound without a head, whose pieces make a whole when they are joined."""
_MAX_TYPE: Final = 128
"""Longest name of a kind of part that is passed on; the rest is cut."""

_NAMES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BESIDE: Final = frozenset({"thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution"})
"""Members of a part that are not its data."""


class AnswerParts:
    """One answer. Give it chunks, and then finish."""

    __slots__ = (
        "_calls",
        "_current",
        "_detail",
        "_kind",
        "_model",
        "_native",
        "_raw",
        "_response_id",
        "_sources",
        "_usage",
        "events",
    )

    def __init__(self, deployment: Deployment, format_: str) -> None:
        self.events = AnswerEvents(deployment, format_)
        self._sources = Sources()
        self._raw: list[bytes] | None = None
        """The parts of the chunk at hand as they were written, once one of them was asked for."""
        self._model = ""
        self._response_id = ""
        self._native = ""
        """The finish reason. Some models send one with each chunk, and the last one counts."""
        self._detail = ""
        self._usage = msgspec.Raw(b"")
        self._calls = 0
        self._current: OpenBlock | None = None
        """The block that grows."""
        self._kind = ""
        """What it is: "text", "thought", or the media type of raw sound."""

    @property
    def ending(self) -> bool:
        """Whether the provider gave a finish reason."""
        return bool(self._native)

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported; PARTIAL until it gave a finish reason."""
        try:
            told = read_any(self._usage)
        except UpstreamMalformed:
            return None  # known too late to be a failure of the answer
        usage = usage_of(told, v1.USAGE_SOURCE_PROVIDER if self._native else v1.USAGE_SOURCE_PARTIAL)
        if usage is not None:
            tell_tool_calls(usage, self._sources.calls())
        return usage

    def take(self, chunk: Chunk, payload: bytes) -> None:
        """A chunk, and the bytes that it was read from. Raises UpstreamError."""
        if chunk.error:
            raise reported_error(payload)
        if not self.events.started:
            self._model = chunk.modelVersion or self._model
            self._response_id = chunk.responseId or self._response_id
        if chunk.usageMetadata:
            self._usage = chunk.usageMetadata
        if chunk.candidates:
            for candidate in chunk.candidates:
                if not candidate.index:
                    self._take_candidate(candidate, payload)
        elif chunk.promptFeedback is not None and chunk.promptFeedback.blockReason:
            raise blocked(chunk.promptFeedback.blockReason, chunk.promptFeedback.blockReasonMessage or "")

    def finish(self) -> None:
        """The answer is whole. Raises UpstreamBroken if the provider did not say so."""
        if not self._native:
            raise UpstreamBroken("the provider sent an answer that does not say how it ended")
        self._begin()
        self._rest()
        self._sources.tell(self.events)
        finished = ending_of(self._native, self._detail, called=self._calls > 0)
        if usage := self.usage:
            finished.usage.CopyFrom(usage)
        finished.served_model = self._model
        self.events.finish(finished)

    def _take_candidate(self, candidate: Candidate, payload: bytes) -> None:
        tokens = token_logprobs(candidate.logprobsResult) if candidate.logprobsResult is not None else []
        parts = candidate.content.parts if candidate.content is not None else None
        self._raw = None
        for place, part in enumerate(parts or ()):
            self._sources.part()
            if part.text is not None and not part.thought:
                self._take_text(part.text, part.thoughtSignature, tokens)
                tokens = []
            else:
                self._take_other(part, place, payload)
        self._sources.learn(candidate)
        if is_ending(candidate.finishReason):
            self._native = candidate.finishReason or ""
            self._detail = finish_detail(candidate.finishMessage, read_any(candidate.safetyRatings))

    def _take_text(self, text: str, signature: str | None, tokens: list[v1.TokenLogprob]) -> None:
        if not (text or signature or tokens):
            return
        block = self._current
        if block is None or signature or self._kind != "text":
            block = self._grow("text", v1.Block(text=v1.Text()))
            self._sources.block(block)
        if text or tokens:
            self._sources.text(text)
            self.events.text(block, text, tokens)
        self._sign(block, signature)

    def _take_other(self, part: Part, place: int, payload: bytes) -> None:
        if part.text is not None:
            self._take_thought(part.text, part.thoughtSignature)
        elif part.thought:
            self._take_raw(part, place, payload)
        elif part.functionCall is not None:
            self._take_call(part)
        elif part.inlineData is not None:
            self._take_media(part.inlineData, part.thoughtSignature)
        elif part.fileData is not None:
            media = v1.Media(mime_type=part.fileData.mimeType, uri=part.fileData.fileUri)
            self._add(v1.Block(media=media), part.thoughtSignature)
        else:
            self._take_raw(part, place, payload)

    def _take_thought(self, text: str, signature: str | None) -> None:
        """What Google shows are summaries of thoughts, in its own word."""
        if not (text or signature):
            return
        block = self._current
        if block is None or signature or self._kind != "thought":
            block = self._grow("thought", v1.Block(reasoning=v1.Reasoning()))
        if text:
            self.events.summary(block, text)
        self._sign(block, signature)

    def _take_call(self, part: Part) -> None:
        call = part.functionCall
        if call is None or not call.name:
            raise UpstreamMalformed("the provider sent a tool call without a name")
        # A call without arguments has none on the wire, since an empty object is a default there.
        arguments = bytes(call.args)
        self._begin()
        made = v1.ToolCall(id=call.id or f"call_{self._response_id}_{self._calls}", name=call.name)
        self._calls += 1
        block = self._start(v1.Block(tool_call=made))
        self.events.arguments(block, arguments if arguments not in (b"", b"null") else b"{}")
        if part.thoughtSignature:
            self.events.signature(block, part.thoughtSignature.encode())
        self.events.stop(block)

    def _take_media(self, blob: Blob, signature: str | None) -> None:
        data, mime = _bytes_of(blob.data), blob.mimeType
        if signature or not mime.lower().startswith(_RAW_SOUND):
            block = self._start(v1.Block(media=v1.Media(mime_type=mime)))
        elif self._current is not None and self._kind == mime:
            block = self._current
        else:
            block = self._grow(mime, v1.Block(media=v1.Media(mime_type=mime)))
        self.events.media(block, data)
        if block is not self._current:
            if signature:
                self.events.signature(block, signature.encode())
            self.events.stop(block)

    def _take_raw(self, part: Part, place: int, payload: bytes) -> None:
        if self._raw is None:
            self._raw = raw_parts(payload)
        raw = self._raw[place] if place < len(self._raw) else b"{}"
        kinds = [name for name in decoded(_NAMES, raw) if name not in _BESIDE]
        if not kinds and not part.thoughtSignature:
            return
        kind = kinds[0] if kinds else "thoughtSignature"
        self._add(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind[:_MAX_TYPE], data=raw)), None)

    def _add(self, block: v1.Block, signature: str | None) -> None:
        """A block that came whole."""
        if signature:
            block.signature = signature.encode()
        self.events.stop(self._start(block))

    def _grow(self, kind: str, header: v1.Block) -> OpenBlock:
        block = self._start(header)
        self._current, self._kind = block, kind
        return block

    def _start(self, header: v1.Block) -> OpenBlock:
        self._begin()
        self._rest()
        return self.events.start(header)

    def _sign(self, block: OpenBlock, signature: str | None) -> None:
        """A part that is signed is not joined to what follows."""
        if signature:
            self.events.signature(block, signature.encode())
            self._rest()

    def _rest(self) -> None:
        """Nothing grows any longer."""
        if self._current is not None and self._kind != "text":
            self.events.stop(self._current)
        self._current = None

    def _begin(self) -> None:
        self.events.begin(served_model=self._model, response_id=self._response_id)


def _bytes_of(data: str) -> bytes:
    """Bytes from base64, of either alphabet. Raises UpstreamMalformed."""
    try:
        return b64decode(data.replace("-", "+").replace("_", "/"), validate=True)
    except (Base64Error, ValueError) as error:
        raise UpstreamMalformed("the provider sent a medium that is not base64") from error
