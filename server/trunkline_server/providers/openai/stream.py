"""A streamed answer of OpenAI's chat completions as events.

1. The events are the same however the bytes are split. A failure comes after the events before it: from the call that
   would give no other event, which is the next one or `end`.
2. Time is linear in the bytes; what is kept is bounded: 4 MiB for an event, 64 MiB for an answer, 1,024 blocks. Of text
   that was given as events only what citations may point into is kept, and that only if it is not ASCII: see
   TextOffsets.
3. Finished comes at [DONE] or at the end, and only if the provider gave a finish reason: usage may follow that. Without
   one the answer is broken, at [DONE] at once.

Blocks are started in order and stopped in order. Text, refusal and reasoning follow one another; tool calls, sound and
its transcript grow side by side and are stopped at the end, because pieces of one may come after pieces of another.

    no block --piece--> text | refusal | reasoning --piece of another kind--> stopped
    no block --piece--> call | sound | transcript --[DONE]--> stopped
"""

from collections import deque
from typing import Final

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamError, UpstreamMalformed
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.jsontext import is_json
from trunkline_server.providers.offsets import TextOffsets
from trunkline_server.providers.openai.errors import reported_error
from trunkline_server.providers.openai.pieces import (
    arguments_of,
    audio_bytes,
    audio_type,
    citation_of,
    ending_of,
    name_of,
    reasoning_of,
    text_of,
    token_logprobs,
    usage_of,
)
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.response import call_id, origin_of
from trunkline_server.providers.openai.wire import Audio, Choice, Chunk, Message, Token, ToolCall, decode_chunk

__all__ = ["MAX_ANSWER_BYTES", "ChatStreamDecoder"]

MAX_ANSWER_BYTES: Final = 64 << 20
MAX_NAMELESS_BYTES: Final = 64 << 10
"""Arguments of a tool call that wait for its name."""


class _Block:
    """A block that was started and not stopped."""

    __slots__ = ("arguments", "done", "index", "kind")

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.index = index
        self.done = False
        self.arguments = bytearray()
        """All arguments of a tool call, to tell at its end whether they are JSON."""


class _Call:
    """A tool call as its pieces come. Its block starts when its name is known."""

    __slots__ = ("block", "id", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.waiting = bytearray()
        self.block: _Block | None = None


class ChatStreamDecoder:
    """One streamed answer."""

    def __init__(self, deployment: Deployment, quirks: Quirks) -> None:
        self._deployment = deployment
        self._quirks = quirks
        self._framing = SseFraming()
        self._failure: UpstreamError | None = None
        self._closed = False
        """True after [DONE]: what follows is ignored."""
        self._finished = False
        self._started = False
        self._size = 0
        self._response_id = ""
        self._model = ""
        self._origin = v1.Origin()
        self._usage: object = None
        self._ending: Choice | None = None
        """The choice that gave the finish reason."""
        self._blocks = 0
        self._open: deque[_Block] = deque()
        self._current: _Block | None = None
        """The text, refusal or reasoning that grows."""
        self._sound: _Block | None = None
        self._transcript: _Block | None = None
        self._sound_rest = ""
        self._calls: dict[int, _Call] = {}
        self._call_count = 0
        self._last_call = 0
        self._refused = False
        self._text_block: _Block | None = None
        self._offsets: TextOffsets | None = None
        """Offsets in the one text block; None before it and once there is a second."""

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported; PARTIAL until it gave a finish reason."""
        return usage_of(self._usage, v1.USAGE_SOURCE_PROVIDER if self._ending else v1.USAGE_SOURCE_PARTIAL)

    @property
    def ending(self) -> bool:
        """Whether the provider gave a finish reason."""
        return self._ending is not None

    def feed(self, data: bytes) -> list[v1.StreamEvent]:
        """Events that these bytes complete. Raises UpstreamError."""
        if self._failure:
            raise self._failure
        events: list[v1.StreamEvent] = []
        if self._closed or not data:
            return events
        try:
            for name, payload in self._framing.feed(data):
                self._take(name, payload, events)
        except UpstreamError as error:
            self._failure = error
            if not events:
                raise
        return events

    def end(self) -> list[v1.StreamEvent]:
        """Events that the end completes. Raises UpstreamBroken if the answer is not whole."""
        if self._failure:
            raise self._failure
        events: list[v1.StreamEvent] = []
        if not self._closed:
            self._take_rest(events)
        if not self._finished:
            if self._ending is None:
                raise _broken()
            self._finish(events)
        return events

    def _take_rest(self, events: list[v1.StreamEvent]) -> None:
        for name, payload in self._framing.end():
            try:
                self._take(name, payload, events)
            except UpstreamMalformed:
                return  # cut in the middle of an event: not the answer's end, whatever else is known

    def _take(self, name: bytes, payload: bytes, events: list[v1.StreamEvent]) -> None:
        if self._closed:
            return
        self._size += len(payload)
        if self._size > MAX_ANSWER_BYTES:
            raise UpstreamMalformed(f"the provider sent an answer of more than {MAX_ANSWER_BYTES} bytes")
        if payload[:1] != b"{":
            payload = payload.strip()
            if payload == b"[DONE]":
                self._closed = True
                if self._ending is None:
                    raise _broken()
                self._finish(events)
                return
            if not payload:
                return
        if name == b"error":
            raise reported_error(payload)
        self._take_chunk(decode_chunk(payload), payload, events)

    def _take_chunk(self, chunk: Chunk, payload: bytes, events: list[v1.StreamEvent]) -> None:
        if chunk.error or chunk.object == "error":
            raise reported_error(payload)
        if not self._started:
            self._learn(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if not choice.index:
                self._take_choice(choice, events)

    def _learn(self, chunk: Chunk) -> None:
        """Id and model, which some servers leave empty in the chunks before the first content."""
        if chunk.id and isinstance(chunk.id, str):
            self._response_id = chunk.id
        if chunk.model and isinstance(chunk.model, str):
            self._model = chunk.model

    def _take_choice(self, choice: Choice, events: list[v1.StreamEvent]) -> None:
        if choice.delta is not None:
            self._take_delta(choice.delta, choice, events)
        if choice.usage is not None:
            self._usage = choice.usage
        if choice.finish_reason:
            self._ending = choice

    def _take_delta(self, delta: Message, choice: Choice, events: list[v1.StreamEvent]) -> None:
        if thought := reasoning_of(delta):
            self._grow("reasoning", thought, None, events)
        text, refusal = text_of(delta)
        tokens = choice.logprobs.content if choice.logprobs else None
        if text or (tokens and text is not None):
            self._grow("text", text, tokens, events)
        if refusal:
            self._refused = True
            self._grow("refusal", refusal, choice.logprobs.refusal if choice.logprobs else None, events)
        if delta.audio is not None:
            self._grow_sound(delta.audio, events)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._grow_call(call, events)
        elif delta.function_call is not None:
            self._grow_call(ToolCall(function=delta.function_call), events)
        if delta.annotations:
            self._cite(delta.annotations, events)

    def _grow(self, kind: str, text: str, tokens: list[Token] | None, events: list[v1.StreamEvent]) -> None:
        block = self._current
        if block is None or block.kind != kind:
            block = self._follow(kind, events)
        event = v1.StreamEvent()
        delta = event.block_delta
        delta.index = block.index
        if kind == "reasoning":
            delta.reasoning = text
        else:
            delta.text = text
            if block is self._text_block and self._offsets is not None:
                self._offsets.add(text)
        if tokens:
            delta.logprobs.extend(token_logprobs(tokens))
        events.append(event)

    def _follow(self, kind: str, events: list[v1.StreamEvent]) -> _Block:
        """Stop what grew, and start the next block."""
        if kind == "reasoning":
            header = v1.Block(reasoning=v1.Reasoning())
        else:
            header = v1.Block(text=v1.Text(is_refusal=kind == "refusal"))
        block = self._start(kind, header, events)
        self._current = block
        if kind == "text":
            # The provider counts characters over all of the text, so offsets hold for one text block only.
            self._offsets = TextOffsets() if self._text_block is None else None
            self._text_block = block
        return block

    def _grow_sound(self, audio: Audio, events: list[v1.StreamEvent]) -> None:
        if audio.transcript:
            if self._transcript is None:
                self._transcript = self._start("transcript", v1.Block(text=v1.Text()), events)
            event = v1.StreamEvent()
            event.block_delta.index = self._transcript.index
            event.block_delta.text = audio.transcript
            events.append(event)
        if audio.data:
            text = self._sound_rest + audio.data
            whole = len(text) // 4 * 4  # four characters of base64 are three bytes
            data, self._sound_rest = audio_bytes(text[:whole]), text[whole:]
            if data:
                self._grow_media(data, events)

    def _grow_media(self, data: bytes, events: list[v1.StreamEvent]) -> None:
        if self._sound is None:
            header = v1.Block(media=v1.Media(mime_type=audio_type(data)))
            self._sound = self._start("sound", header, events)
        event = v1.StreamEvent()
        event.block_delta.index = self._sound.index
        event.block_delta.media = data
        events.append(event)

    def _grow_call(self, piece: ToolCall, events: list[v1.StreamEvent]) -> None:
        call, name = self._call(piece), name_of(piece)
        if piece.id and not call.id:
            call.id = piece.id
        arguments = arguments_of(piece)
        if call.block is None:
            call.waiting += arguments
            if not name:
                if len(call.waiting) > MAX_NAMELESS_BYTES:
                    raise _nameless()
                return
            arguments = bytes(call.waiting)
            call.waiting.clear()
            call.id = call.id or call_id(self._response_id, call.number)
            call.block = self._start("call", v1.Block(tool_call=v1.ToolCall(id=call.id, name=name)), events)
        if arguments:
            call.block.arguments += arguments
            event = v1.StreamEvent()
            event.block_delta.index = call.block.index
            event.block_delta.arguments_json = arguments
            events.append(event)

    def _call(self, piece: ToolCall) -> _Call:
        """The call that a piece belongs to.

        Servers that leave out the index, or give every call the same, are told by a new id beside a name; an id alone
        is not enough, because some give each piece another.
        """
        key = self._last_call if piece.index is None else piece.index
        call = self._calls.get(key)
        if call is None or (piece.id and call.id and piece.id != call.id and name_of(piece)):
            if call is not None and call.block is None:
                raise _nameless()
            call = self._calls[key] = _Call(self._call_count)
            self._call_count += 1
            if self._call_count > MAX_BLOCKS:
                raise too_many_blocks()
        self._last_call = key
        return call

    def _cite(self, annotations: list[object], events: list[v1.StreamEvent]) -> None:
        block = self._text_block
        for annotation in annotations:
            citation = citation_of(annotation, self._offsets)
            if citation is None:
                continue
            if block is None or block.done:
                self._start("citation", v1.Block(citation=citation), events).done = True
                continue
            event = v1.StreamEvent()
            event.block_delta.index = block.index
            event.block_delta.citation.CopyFrom(citation)
            events.append(event)

    def _start(self, kind: str, header: v1.Block, events: list[v1.StreamEvent]) -> _Block:
        if self._blocks == MAX_BLOCKS:
            raise too_many_blocks()
        self._begin(events)
        if self._current is not None:
            self._current.done = True
            self._current = None
        self._stop_done(events)
        block = _Block(kind, self._blocks)
        self._blocks += 1
        self._open.append(block)
        header.origin.CopyFrom(self._origin)
        events.append(v1.StreamEvent(block_start=v1.BlockStart(index=block.index, header=header)))
        return block

    def _begin(self, events: list[v1.StreamEvent]) -> None:
        if not self._started:
            self._started = True
            self._origin = origin_of(self._deployment, self._model)
            started = v1.Started(served_model=self._model, response_id=self._response_id)
            events.append(v1.StreamEvent(started=started))

    def _stop_done(self, events: list[v1.StreamEvent]) -> None:
        while self._open and self._open[0].done:
            block = self._open.popleft()
            stop = v1.BlockStop(index=block.index)
            if block.kind == "call":
                stop.arguments_valid = is_json(block.arguments)
            events.append(v1.StreamEvent(block_stop=stop))

    def _finish(self, events: list[v1.StreamEvent]) -> None:
        if any(call.block is None for call in self._calls.values()):
            raise _nameless()
        if self._sound_rest:
            raise UpstreamMalformed("the provider sent sound that is not whole")
        self._begin(events)
        for block in self._open:
            block.done = True
        self._stop_done(events)
        ending = self._ending or Choice()
        finished = ending_of(ending, self._quirks, refused=self._refused, called=self._call_count > 0)
        usage = self.usage
        if usage:
            finished.usage.CopyFrom(usage)
        finished.served_model = self._model
        events.append(v1.StreamEvent(finished=finished))
        self._finished = self._closed = True


def _broken() -> UpstreamBroken:
    return UpstreamBroken("the provider broke off in the middle of an answer")


def _nameless() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent a tool call without a name")
