"""A streamed answer of ConverseStream as events.

1. The events are the same however the bytes are split. A failure comes after the events before it.
2. Time is linear in the bytes; what is kept is bounded: 64 MiB for an answer, 1,024 blocks. Text that was given as
   events is not kept.
3. Finished comes with the metadata, which follow the finish reason and bring the usage, or at the end of the stream.
   Without a finish reason the answer is broken.

Blocks are told apart by their number on the wire. A block of text or thought begins with its first piece, since the
wire tells no beginning of it; a call begins with its start.

    nothing --start of a call--> call
    nothing --piece--> text | reasoning | withheld | image
    nothing --start or piece of Bedrock's own tools, or of what is new--> kept whole
    any of them --piece of another kind, or stop--> nothing
"""

from base64 import b64encode
from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.bedrock.errors import reported_error
from trunkline_server.providers.bedrock.formats import mime_type_of
from trunkline_server.providers.bedrock.kept import Kept, KeptDeltas, KeptResult, KeptUse
from trunkline_server.providers.bedrock.pieces import (
    ANSWER_TOOL,
    FORMAT,
    citation_of,
    ending_of,
    usage_of,
)
from trunkline_server.providers.bedrock.wire import (
    BlockDelta,
    BlockStart,
    BlockStop,
    Delta,
    Media,
    MessageStop,
    Metadata,
    Reasoning,
    ToolUse,
    from_base64,
    members,
    read,
)
from trunkline_server.providers.decoder import AnswerDecoder, broken_off
from trunkline_server.providers.events import MAX_BLOCKS, AnswerEvents, OpenBlock, too_many_blocks
from trunkline_server.providers.framing.eventstream import ERROR, EXCEPTION, EventStreamFraming

__all__ = ["ConverseStreamDecoder"]

_EMPTY: Final = b"{}"


class _Block:
    """A block of the wire that has begun and not ended."""

    __slots__ = ("header", "kept", "kind", "open", "pieces")

    def __init__(self, kind: str, block: OpenBlock | None = None) -> None:
        self.kind = kind
        self.open = block
        self.pieces: list[str] = []
        """Of withheld thought, in base64."""
        self.kept: Kept | None = None
        self.header: Media | None = None
        """How a picture began."""


class ConverseStreamDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(EventStreamFraming(), AnswerEvents(deployment, FORMAT))
        self._blocks: dict[int, _Block] = {}
        self._usage: object = None
        self._stop: MessageStop | None = None
        self._answered = False
        self._called = False
        self._takers = {
            b"contentBlockDelta": self._delta,
            b"contentBlockStart": self._start,
            b"contentBlockStop": self._stopped,
            b"messageStart": self._begin,
            b"messageStop": self._end_of_message,
            b"metadata": self._metadata,
        }

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported, which it does at the end alone."""
        return usage_of(self._usage, v1.USAGE_SOURCE_PROVIDER if self._stop else v1.USAGE_SOURCE_PARTIAL)

    @property
    def ending(self) -> bool:
        """Whether the provider gave its finish reason."""
        return self._stop is not None

    def take(self, name: bytes, payload: bytes) -> None:
        """One message of the stream. Raises UpstreamError."""
        taker = self._takers.get(name)
        if taker:
            taker(payload)
        elif name.startswith(EXCEPTION):
            raise reported_error(name[len(EXCEPTION) :], payload)
        elif name.startswith(ERROR):
            raise reported_error(name[len(ERROR) :], payload)

    def finish_at_end(self) -> None:
        """The stream ended without metadata: whole if the reason of the end came."""
        if self._stop is None:
            raise broken_off()
        self._finish(None)

    def _begin(self, _payload: bytes) -> None:
        self.events.begin(served_model="", response_id="")

    def _start(self, payload: bytes) -> None:
        wire = read(BlockStart, payload)
        started = wire.read()
        place = wire.contentBlockIndex
        if started.toolUse:
            self._start_call(place, started.toolUse)
        elif started.toolResult:
            self._put(place, "kept").kept = KeptResult(started.toolResult)
        elif started.image:
            self._put(place, "image").header = started.image
        elif kind := next(iter(members(wire.start)), ""):
            self._put(place, "kept").kept = KeptDeltas(kind, wire.start)

    def _start_call(self, place: int, wire: ToolUse) -> None:
        if wire.type is not None:
            self._put(place, "kept").kept = KeptUse(wire)
            return
        if not wire.name or not wire.toolUseId:
            raise UpstreamMalformed("the provider sent a tool call without a name or id")
        if wire.name == ANSWER_TOOL:
            self._answered = True
            self._open(place, "answer", v1.Block(text=v1.Text()))
            return
        self._called = True
        self._open(place, "call", v1.Block(tool_call=v1.ToolCall(id=wire.toolUseId, name=wire.name)))

    def _delta(self, payload: bytes) -> None:
        wire = read(BlockDelta, payload)
        place, delta = wire.contentBlockIndex, wire.delta
        if delta.text is not None:
            if delta.text:
                self.events.text(self._text_at(place), delta.text)
        elif delta.toolUse:
            self._more_input(place, delta.toolUse.input)
        elif delta.reasoningContent:
            self._more_reasoning(place, delta.reasoningContent)
        elif bytes(delta.citation):
            self.events.citation(self._text_at(place), citation_of(delta.citation))
        else:
            self._other(place, delta, payload)

    def _text_at(self, place: int) -> OpenBlock:
        block = self._blocks.get(place)
        if block is not None and block.kind == "text" and block.open is not None:
            return block.open
        return self._open(place, "text", v1.Block(text=v1.Text()))

    def _more_input(self, place: int, piece: str) -> None:
        block = self._blocks.get(place)
        if block is None:
            raise UpstreamMalformed("the provider sent arguments of a tool call that has not begun")
        if not piece:
            return
        if block.kind == "call" and block.open is not None:
            self.events.arguments(block.open, piece.encode())
        elif block.kind == "answer" and block.open is not None:
            block.pieces = [piece[:1]]
            self.events.text(block.open, piece)
        elif isinstance(block.kept, KeptUse):
            block.kept.add(piece)

    def _more_reasoning(self, place: int, wire: Reasoning) -> None:
        block = self._blocks.get(place)
        if wire.redactedContent is not None:
            if block is None or block.kind != "withheld":
                self._open(place, "withheld", v1.Block(reasoning=v1.Reasoning(redacted=True)))
                block = self._blocks[place]
            block.pieces.append(wire.redactedContent)
            return
        if block is not None and block.kind == "reasoning" and block.open is not None:
            thought = block.open
        else:
            thought = self._open(place, "reasoning", v1.Block(reasoning=v1.Reasoning()))
        if wire.text:
            self.events.reasoning(thought, wire.text)
        if wire.signature:
            self.events.signature(thought, wire.signature.encode())

    def _other(self, place: int, delta: Delta, payload: bytes) -> None:
        block = self._blocks.get(place)
        if delta.image and delta.image.source and delta.image.source.bytes:
            self._more_image(place, block, delta.image.source.bytes)
        elif delta.toolResult is not None and block and isinstance(block.kept, KeptResult):
            block.kept.add(delta.toolResult)
        else:
            self._keep(place, block, members(payload)["delta"])

    def _more_image(self, place: int, block: _Block | None, data: str) -> None:
        if block is None or block.kind != "image" or block.open is None:
            name = block.header.format if block and block.header else None
            media = v1.Media(mime_type=mime_type_of("image", name or ""))
            picture = self._open(place, "image", v1.Block(media=media))
        else:
            picture = block.open
        self.events.media(picture, from_base64(data))

    def _keep(self, place: int, block: _Block | None, delta: msgspec.Raw) -> None:
        """Something new: nobody knows how its pieces are put together, so they are kept as they came."""
        kind = next(iter(members(delta)), "")
        if not kind:
            return
        if block is None or not isinstance(block.kept, KeptDeltas):
            block = self._put(place, "kept")
            block.kept = KeptDeltas(kind, None)
        if isinstance(block.kept, KeptDeltas):
            block.kept.add(delta)

    def _put(self, place: int, kind: str, opened: OpenBlock | None = None) -> _Block:
        """A block begins at this place; what was open there ends."""
        self._close(place)
        if len(self._blocks) == MAX_BLOCKS:
            raise too_many_blocks()
        self.events.begin(served_model="", response_id="")
        block = self._blocks[place] = _Block(kind, opened)
        return block

    def _open(self, place: int, kind: str, header: v1.Block) -> OpenBlock:
        block = self._put(place, kind)
        block.open = opened = self.events.start(header)
        return opened

    def _stopped(self, payload: bytes) -> None:
        self._close(read(BlockStop, payload).contentBlockIndex)

    def _close(self, place: int) -> None:
        block = self._blocks.pop(place, None)
        if block is None:
            return
        if block.kept is not None:
            kind, data = block.kept.whole()
            block.open = self.events.start(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind)))
            self.events.opaque(block.open, data)
        if block.open is None:
            return  # a picture that never came
        if block.kind == "withheld":
            self.events.opaque(block.open, joined(block.pieces))
        elif block.kind == "call" and not block.open.arguments:
            self.events.arguments(block.open, _EMPTY)  # a call without arguments has no pieces
        elif block.kind == "answer" and not block.pieces:
            self.events.text(block.open, _EMPTY.decode())
        self.events.stop(block.open)

    def _end_of_message(self, payload: bytes) -> None:
        stop = read(MessageStop, payload)
        if stop.stopReason:
            self._stop = stop

    def _metadata(self, payload: bytes) -> None:
        wire = read(Metadata, payload)
        self._usage = wire.usage
        if self._stop is None:
            raise broken_off()  # nothing follows the metadata
        self._finish(wire.trace)

    def _finish(self, trace: object) -> None:
        for place in list(self._blocks):
            self._close(place)
        self.events.begin(served_model="", response_id="")
        stop = self._stop or MessageStop()
        fields = stop.additionalModelResponseFields
        finished = ending_of(stop.stopReason or "", fields, trace, answered=self._answered, called=self._called)
        if usage := self.usage:
            finished.usage.CopyFrom(usage)
        self.events.finish(finished)


def joined(pieces: list[str]) -> bytes:
    """Withheld thought: one piece verbatim; several, each of which is in base64 for itself, as one."""
    if len(pieces) == 1:
        return pieces[0].encode()
    return b64encode(b"".join(from_base64(piece) for piece in pieces))
