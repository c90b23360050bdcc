"""Folds the events of a streamed answer into the answer that a unary call would have returned.

1. Pure: no clock, no socket, no gRPC.
2. Linear in the size of the answer: pieces are collected and joined once.
3. Events, pieces and blocks of kinds that this version does not know are skipped.
4. A stream that breaks the contract raises BrokenStream and is never mended by guessing.
5. An answer has at most 16,384 blocks and about 256 MiB; one that goes on raises BrokenStream, since a peer may never
   end it.

An answer goes through these states; an event in a state without an arrow for it breaks the contract:

    empty --Started--> open --BlockStart, BlockDelta, BlockStop, UsageUpdate, Continued--> open --Finished--> whole
"""

from collections.abc import Iterable
from typing import Any, Final

from trunkline import v1
from trunkline.errors import BrokenStream

__all__ = ["Fold", "fold"]

_FIELDS: Final[dict[tuple[str, str], str]] = {
    ("text", "text"): "text",
    ("reasoning", "reasoning"): "text",
    ("reasoning", "reasoning_summary"): "summary",
    ("reasoning", "opaque"): "opaque",
    ("tool_call", "arguments_json"): "arguments_json",
    ("media", "media"): "data",
    ("provider_opaque", "opaque"): "data",
}
"""(kind of the block, kind of the piece) -> the field of the block that the piece is appended to."""


MAX_BLOCKS: Final = 16_384
"""Of one answer. The gateway takes as many in a whole conversation, so that more could not be sent back."""
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
"""Of one answer: the longest there are, with their log probabilities, are a third of it."""
PIECE_BYTES: Final = 16
"""What a piece counts beside its text, so that an answer of empty pieces has an end too."""


class _OpenBlock:
    """A block that is still growing."""

    __slots__ = ("append", "block", "kind", "pieces", "usual")

    def __init__(self, block: v1.Block) -> None:
        self.block = block
        self.kind: str | None = block.WhichOneof("kind")
        self.pieces: dict[str, list[Any]] = {}
        """What was collected, by the kind of the pieces."""
        self.usual = "signature"
        """The kind of the latest piece: most likely that of the next one too."""
        self.append = self._collected("signature").append
        """Collects a piece of the usual kind."""

    def add(self, delta: v1.BlockDelta) -> None:
        """Add a piece of any kind."""
        self.block.logprobs.extend(delta.logprobs)
        piece = delta.WhichOneof("kind")
        if piece is None:
            return
        if piece != "signature" and self.kind is None:
            return  # a block of a newer contract: what its pieces mean is not known here
        if piece == "citation":
            self._cite(delta)
        elif piece == "signature" or (self.kind, piece) in _FIELDS:
            self.usual, self.append = piece, self._collected(piece).append
            self.append(getattr(delta, piece))
        else:
            raise BrokenStream(f"block {delta.index} is a {self.kind} block and got a piece of {piece}")

    def _collected(self, piece: str) -> list[Any]:
        return self.pieces.setdefault(piece, [])

    def join(self) -> None:
        """Move the collected pieces into the block."""
        for piece, pieces in self.pieces.items():
            if not pieces:
                continue
            if piece == "signature":
                self.block.signature += b"".join(pieces)
            else:
                owner, field = getattr(self.block, str(self.kind)), _FIELDS[str(self.kind), piece]
                head = getattr(owner, field)
                setattr(owner, field, type(head)().join((head, *pieces)))
            pieces.clear()

    def _cite(self, delta: v1.BlockDelta) -> None:
        if self.kind == "text":
            self.block.text.citations.append(delta.citation)
        elif self.kind == "citation":
            self.block.citation.CopyFrom(delta.citation)
        else:
            raise BrokenStream(f"block {delta.index} is a {self.kind} block and got a citation")


class Fold:
    """Folds events one by one.

    It holds the answer itself and nothing beside it.

    For example:
        import trunkline

        answer = trunkline.Fold()
        with trunkline.Client() as client, client.stream("fast", "Count to five.") as stream:
            for event in stream:
                answer.add(event)
        print(answer.whole, answer.usage, answer.response.message)
    """

    __slots__ = ("_left", "_open", "_response", "_usage", "_whole")

    def __init__(self) -> None:
        self._response = v1.CompleteResponse()
        self._open: dict[int, _OpenBlock] = {}
        self._left = MAX_ANSWER_BYTES
        self._usage: v1.Usage | None = None
        self._whole = False

    @property
    def whole(self) -> bool:
        """True once Finished has come."""
        return self._whole

    @property
    def usage(self) -> v1.Usage | None:
        """What was used, as far as the stream has told; None if it has not."""
        return self._usage

    @property
    def response(self) -> v1.CompleteResponse:
        """The answer, as far as it has come. The object is the fold's own and grows: copy it to keep a state of it.

        Reading it joins what was collected, so reading it after every event is no longer linear.
        """
        for block in self._open.values():
            block.join()
        return self._response

    def add(self, event: v1.StreamEvent) -> None:
        """Add the next event. Raises BrokenStream if it can't come here.

        For example:
            import trunkline
            from trunkline import v1

            answer = trunkline.Fold()
            answer.add(v1.StreamEvent(started=v1.Started(request_id="poem-1")))
            print(answer.response.started.request_id)
        """
        self.add_all((event,))

    def add_all(self, events: Iterable[v1.StreamEvent]) -> None:
        """Add the next events. Raises BrokenStream at the first that can't come here.

        For example:
            import trunkline
            from trunkline import v1

            answer = trunkline.Fold()
            answer.add_all(
                [
                    v1.StreamEvent(started=v1.Started(request_id="poem-1")),
                    v1.StreamEvent(finished=v1.Finished(finish_reason=v1.FINISH_REASON_STOP)),
                ]
            )
            print(answer.whole)
        """
        # Nearly all events are one more piece like the one before it, and this loop is all that those cost. The rest
        # takes the long way: an event that is no piece reads here like an empty piece of block 0.
        opened, size = self._open, 0
        for event in events:
            delta = event.block_delta
            block = opened.get(delta.index)
            if block is not None:
                piece = getattr(delta, block.usual)
                if piece and not delta.logprobs:
                    block.append(piece)
                    size += len(piece) + PIECE_BYTES
                    continue
            size += event.ByteSize() + PIECE_BYTES
            self._add(event)
        self._left -= size
        if self._left < 0:
            raise BrokenStream(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")

    def _add(self, event: v1.StreamEvent) -> None:
        """Add an event of any kind."""
        kind = event.WhichOneof("kind")
        if kind is None:
            return
        self._check_order(kind)
        match kind:
            case "block_delta":
                self._opened(event.block_delta.index).add(event.block_delta)
            case "block_start":
                self._start_block(event.block_start)
            case "block_stop":
                self._stop_block(event.block_stop)
            case "started":
                self._response.started.CopyFrom(event.started)
                self._response.message.role = v1.ROLE_ASSISTANT
            case "usage_update":
                self._usage = event.usage_update.usage
            case "finished":
                self._finish(event.finished)
            case "continued":
                pass  # the attempts in Finished tell of it; the blocks carry their own origin

    def _check_order(self, kind: str) -> None:
        if self._whole:
            raise BrokenStream(f"{kind} came after finished")
        if (kind == "started") == self._response.HasField("started"):
            raise BrokenStream("started came twice" if kind == "started" else f"{kind} came before started")

    def _opened(self, index: int) -> _OpenBlock:
        block = self._open.get(index)
        if block is None:
            raise BrokenStream(f"block {index} got a piece or a stop and is not open")
        return block

    def _start_block(self, start: v1.BlockStart) -> None:
        blocks = self._response.message.blocks
        if start.index != len(blocks):
            raise BrokenStream(f"block {start.index} was started where block {len(blocks)} was due")
        if start.index >= MAX_BLOCKS:
            raise BrokenStream(f"block {start.index} was started; an answer has at most {MAX_BLOCKS}")
        blocks.append(start.header)
        self._open[start.index] = _OpenBlock(blocks[start.index])

    def _stop_block(self, stop: v1.BlockStop) -> None:
        opened = self._opened(stop.index)
        opened.join()
        if stop.HasField("arguments_valid") and opened.kind == "tool_call":
            opened.block.tool_call.arguments_valid = stop.arguments_valid
        del self._open[stop.index]

    def _finish(self, finished: v1.Finished) -> None:
        if self._open:
            raise BrokenStream(f"finished came while block {min(self._open)} was open")
        self._response.finished.CopyFrom(finished)
        if finished.HasField("usage"):
            self._usage = finished.usage
        self._whole = True


def fold(events: Iterable[v1.StreamEvent]) -> v1.CompleteResponse:
    """The answer that these events make. Raises BrokenStream if they don't make a whole one."""
    answer = Fold()
    answer.add_all(events)
    if not answer.whole:
        raise BrokenStream("the events end without finished")
    return answer.response
