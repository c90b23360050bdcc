"""Writes the events of one streamed answer, as all dialects promise them.

1. Started comes first and once. Blocks are numbered, started and stopped in order: a block that is done before one that
   was started earlier waits for it. Finished comes last, when all are stopped.
2. An answer has at most MAX_BLOCKS blocks.
3. Whether the arguments of a tool call are JSON is told where its block stops.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.jsontext import is_json

__all__ = ["MAX_BLOCKS", "AnswerEvents", "OpenBlock", "too_many_blocks"]

MAX_BLOCKS: Final = 1024


class OpenBlock:
    """A block that was started. Its number is its place in the message."""

    __slots__ = ("arguments", "done", "index")

    def __init__(self, index: int, *, is_call: bool) -> None:
        self.index = index
        self.done = False
        self.arguments = bytearray() if is_call else None
        """All arguments of a tool call so far."""


class AnswerEvents:
    """The events of one answer. What was written since the last `take` waits there."""

    __slots__ = ("_blocks", "_deployment", "_format", "_made", "_open", "_origin", "finished", "started")

    def __init__(self, deployment: Deployment, format_: str) -> None:
        self._deployment = deployment
        self._format = format_
        self._origin = v1.Origin()
        self._made: list[v1.StreamEvent] = []
        self._open: deque[OpenBlock] = deque()
        self._blocks = 0
        self.started = False
        self.finished = False

    def take(self) -> list[v1.StreamEvent]:
        """What was written since the last call."""
        made, self._made = self._made, []
        return made

    def begin(self, *, served_model: str, response_id: str) -> None:
        """The answer begins. Called again it does nothing."""
        if self.started:
            return
        self.started = True
        model = served_model or self._deployment.upstream_model
        self._origin = v1.Origin(provider=self._deployment.provider.name, model=model, format=self._format)
        self._made.append(v1.StreamEvent(started=v1.Started(served_model=served_model, response_id=response_id)))

    def start(self, header: v1.Block) -> OpenBlock:
        """A block begins. `header` is kept and gets its origin. The answer has begun. Raises UpstreamMalformed."""
        if self._blocks == MAX_BLOCKS:
            raise too_many_blocks()
        block = OpenBlock(self._blocks, is_call=header.HasField("tool_call"))
        self._blocks += 1
        self._open.append(block)
        header.origin.CopyFrom(self._origin)
        self._made.append(v1.StreamEvent(block_start=v1.BlockStart(index=block.index, header=header)))
        return block

    def text(self, block: OpenBlock, text: str, logprobs: Iterable[v1.TokenLogprob] = ()) -> None:
        """More text."""
        delta = self._delta(block)
        delta.text = text
        if logprobs:
            delta.logprobs.extend(logprobs)

    def reasoning(self, block: OpenBlock, text: str) -> None:
        """More of a thought."""
        self._delta(block).reasoning = text

    def summary(self, block: OpenBlock, text: str) -> None:
        """More of a thought's summary."""
        self._delta(block).reasoning_summary = text

    def arguments(self, block: OpenBlock, arguments: bytes) -> None:
        """More of a tool call's arguments."""
        assert block.arguments is not None  # noqa: S101 - only tool calls have arguments
        block.arguments += arguments
        self._delta(block).arguments_json = arguments

    def signature(self, block: OpenBlock, signature: bytes) -> None:
        """More of a signature."""
        self._delta(block).signature = signature

    def opaque(self, block: OpenBlock, data: bytes) -> None:
        """More of what only the provider reads."""
        self._delta(block).opaque = data

    def media(self, block: OpenBlock, data: bytes) -> None:
        """More of a medium."""
        self._delta(block).media = data

    def citation(self, block: OpenBlock, citation: v1.Citation) -> None:
        """A source of a text."""
        self._delta(block).citation.CopyFrom(citation)

    def stop(self, block: OpenBlock) -> None:
        """A block is whole. It may be told later, after those that were started before it."""
        block.done = True
        while self._open and self._open[0].done:
            self._stop(self._open.popleft())

    def add(self, block: v1.Block) -> None:
        """A block that came whole, what only deltas may carry left aside: it is in the header."""
        self.stop(self.start(block))

    def usage(self, usage: v1.Usage) -> None:
        """What was used so far."""
        self._made.append(v1.StreamEvent(usage_update=v1.UsageUpdate(usage=usage)))

    def finish(self, finished: v1.Finished) -> None:
        """The answer is whole: what is open stops."""
        while self._open:
            self._stop(self._open.popleft())
        self._made.append(v1.StreamEvent(finished=finished))
        self.finished = True

    def _stop(self, block: OpenBlock) -> None:
        stop = v1.BlockStop(index=block.index)
        if block.arguments is not None:
            stop.arguments_valid = is_json(block.arguments)
        self._made.append(v1.StreamEvent(block_stop=stop))

    def _delta(self, block: OpenBlock) -> v1.BlockDelta:
        event = v1.StreamEvent()
        self._made.append(event)
        delta = event.block_delta
        delta.index = block.index
        return delta


def too_many_blocks() -> UpstreamMalformed:
    """The failure at the bound on blocks."""
    return UpstreamMalformed(f"the provider sent an answer of more than {MAX_BLOCKS} blocks")
