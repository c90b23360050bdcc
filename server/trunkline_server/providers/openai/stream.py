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

from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
from trunkline_server.providers.decoder import AnswerDecoder, broken_off
from trunkline_server.providers.events import MAX_BLOCKS, AnswerEvents, OpenBlock, too_many_blocks
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.offsets import TextOffsets
from trunkline_server.providers.openai.errors import broken_reason, reported_error
from trunkline_server.providers.openai.pieces import (
    arguments_of,
    audio_type,
    citation_of,
    ending_of,
    media_bytes,
    name_of,
    picture_of,
    reasoning_of,
    sources_of,
    thoughts_of,
    token_logprobs,
    usage_of,
)
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.response import call_id
from trunkline_server.providers.openai.thoughts import PARTS, Thought, part_type, thought_of
from trunkline_server.providers.openai.wire import Audio, Choice, Chunk, Message, Token, ToolCall, decode_chunk

__all__ = ["ChatStreamDecoder"]

MAX_NAMELESS_BYTES: Final = 64 << 10
"""Arguments of a tool call that wait for its name."""


class _Call:
    """A tool call as its pieces come. Its block starts when its name is known."""

    __slots__ = ("block", "id", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.waiting = bytearray()
        self.block: OpenBlock | None = None


class ChatStreamDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment, quirks: Quirks) -> None:
        super().__init__(SseFraming(), AnswerEvents(deployment, quirks.format))
        self._quirks = quirks
        self._response_id = ""
        self._model = ""
        self._usage: object = None
        self._ending: Choice | None = None
        """The choice that gave the finish reason."""
        self._sources: Chunk | None = None
        """The last chunk that named sources: each names them all."""
        self._kind = ""
        """What `_current` is: text, refusal or reasoning."""
        self._current: OpenBlock | None = None
        """The text, refusal or reasoning that grows."""
        self._thought: Thought | None = None
        """The thought that grows in `_current`, if it came as an object."""
        self._sound: OpenBlock | None = None
        self._transcript: OpenBlock | None = None
        self._sound_rest = ""
        self._calls: dict[int, _Call] = {}
        self._call_count = 0
        self._last_call = 0
        self._refused = False
        self._text_block: OpenBlock | None = None
        self._offsets: TextOffsets | None = None
        """Offsets in the one text block; None before it and once there is a second."""

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported; PARTIAL until it gave a finish reason."""
        source = v1.USAGE_SOURCE_PROVIDER if self._ending else v1.USAGE_SOURCE_PARTIAL
        return usage_of(self._usage, self._quirks, source)

    @property
    def ending(self) -> bool:
        """Whether the provider gave a finish reason."""
        return self._ending is not None

    def take(self, name: bytes, payload: bytes) -> None:
        """One event of the stream. Raises UpstreamError."""
        if payload[:1] != b"{":
            payload = payload.strip()
            if payload == b"[DONE]":
                self.finish_at_end()
                return
            if not payload:
                return
        if name == b"error":
            raise reported_error(payload, self._quirks)
        self._take_chunk(decode_chunk(payload), payload)

    def finish_at_end(self) -> None:
        """No more chunks come. Raises UpstreamBroken where the answer is not whole."""
        if self._ending is None:
            raise broken_off()
        self._finish(self._ending)

    def _take_chunk(self, chunk: Chunk, payload: bytes) -> None:
        if chunk.error or chunk.object == "error":
            raise reported_error(payload, self._quirks)
        if not self.events.started:
            self._learn(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if not choice.index:
                self._take_choice(choice)
        if chunk.x_groq is not None or chunk.base_resp is not None:
            self._take_remarks(chunk)
        if chunk.citations is not None or chunk.search_results is not None:
            self._sources = chunk

    def _learn(self, chunk: Chunk) -> None:
        """Id and model, which some servers leave empty in the chunks before the first content."""
        if chunk.id and isinstance(chunk.id, str):
            self._response_id = chunk.id
        if chunk.model and isinstance(chunk.model, str):
            self._model = chunk.model

    def _take_remarks(self, chunk: Chunk) -> None:
        """What some providers say beside the choices: Groq usage and errors, MiniMax how it went."""
        groq, told = chunk.x_groq, chunk.base_resp
        if isinstance(groq, dict):
            if groq.get("error"):
                raise reported_error(msgspec.json.encode({"error": groq["error"]}), self._quirks)
            if self._usage is None:
                self._usage = groq.get("usage")
        if isinstance(told, dict) and told.get("status_code"):
            raise reported_error(msgspec.json.encode({"error": told}), self._quirks)

    def _take_choice(self, choice: Choice) -> None:
        if choice.delta is not None:
            self._take_delta(choice.delta, choice)
        if choice.usage is not None:
            self._usage = choice.usage
        if choice.error:
            raise reported_error(msgspec.json.encode({"error": choice.error}), self._quirks)
        if choice.finish_reason:
            if broken := broken_reason(choice.finish_reason, self._quirks):
                raise broken
            self._ending = choice

    def _take_delta(self, delta: Message, choice: Choice) -> None:
        if delta.reasoning_details or delta.thinking_blocks:
            self._grow_thoughts(delta)
        elif text := reasoning_of(delta):
            self._grow("reasoning", text, None)
        content = delta.content
        tokens = choice.logprobs.content if choice.logprobs else None
        if isinstance(content, list):
            self._grow_parts(content, tokens)
        elif content or (tokens and content is not None):
            self._grow("text", content, tokens)
        if delta.refusal:
            self._refuse(delta.refusal, choice.logprobs.refusal if choice.logprobs else None)
        self._take_rarer(delta)

    def _take_rarer(self, delta: Message) -> None:
        if delta.images:
            self._add_pictures(delta.images)
        if delta.audio is not None:
            self._grow_sound(delta.audio)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._grow_call(call)
        elif delta.function_call is not None:
            self._grow_call(ToolCall(function=delta.function_call))
        if delta.annotations:
            self._cite(delta.annotations)

    def _grow(self, kind: str, text: str, tokens: list[Token] | None) -> None:
        block = self._current
        if block is None or self._kind != kind or self._thought is not None:
            block = self._follow(kind)
        if kind == "reasoning":
            self.events.reasoning(block, text)
            return
        if block is self._text_block and self._offsets is not None:
            self._offsets.add(text)
        self.events.text(block, text, token_logprobs(tokens) if tokens else ())

    def _refuse(self, text: str, tokens: list[Token] | None) -> None:
        self._refused = True
        self._grow("refusal", text, tokens)

    def _grow_parts(self, parts: list[Any], tokens: list[Token] | None) -> None:
        """A content that is a list of parts, each of them a piece or a whole."""
        for part in parts:
            kind = part_type(part)
            if kind == "text" and isinstance(part.get("text"), str):
                if part["text"]:
                    self._grow("text", part["text"], tokens)
            elif kind == "refusal" and isinstance(part.get("refusal"), str):
                self._refuse(part["refusal"], None)
            elif kind in PARTS and (thought := thought_of(part)):
                self._grow_thought(thought)
            elif kind:
                opaque = v1.ProviderOpaque(type=kind, data=msgspec.json.encode(part))
                self.events.stop(self._start(v1.Block(provider_opaque=opaque)))

    def _grow_thoughts(self, delta: Message) -> None:
        thoughts = thoughts_of(delta)
        for thought in thoughts:
            self._grow_thought(thought)
        if not thoughts and (text := reasoning_of(delta)):
            self._grow("reasoning", text, None)

    def _grow_thought(self, piece: Thought) -> None:
        thought, block = self._thought, self._current
        text = piece.text
        if thought is not None and block is not None and thought.goes_on(piece):
            thought.add(piece)
            if self._quirks.thoughts_restart:
                text = thought.new_text(piece)
        else:
            block = self._start(piece.header)
            self._current, self._kind, self._thought = block, "reasoning", piece
        if text and piece.is_summary:
            self.events.summary(block, text)
        elif text:
            self.events.reasoning(block, text)
        if piece.signature:
            self.events.signature(block, piece.signature.encode())

    def _follow(self, kind: str) -> OpenBlock:
        """Stop what grew, and start the next block."""
        if kind == "reasoning":
            header = v1.Block(reasoning=v1.Reasoning())
        else:
            header = v1.Block(text=v1.Text(is_refusal=kind == "refusal"))
        block = self._start(header)
        self._current, self._kind = block, kind
        if kind == "text":
            # The provider counts characters over all of the text, so offsets hold for one text block only.
            self._offsets = TextOffsets() if self._text_block is None else None
            self._text_block = block
        return block

    def _add_pictures(self, items: list[Any]) -> None:
        for item in items:
            picture = picture_of(item)
            if picture is None:
                continue
            data = picture.data
            if data:
                picture.ClearField("source")
            block = self._start(v1.Block(media=picture))
            if data:
                self.events.media(block, data)
            self.events.stop(block)

    def _grow_sound(self, audio: Audio) -> None:
        if audio.transcript:
            if self._transcript is None:
                self._transcript = self._start(v1.Block(text=v1.Text()))
            self.events.text(self._transcript, audio.transcript)
        if audio.data:
            text = self._sound_rest + audio.data
            whole = len(text) // 4 * 4  # four characters of base64 are three bytes
            data, self._sound_rest = media_bytes(text[:whole]), text[whole:]
            if not data:
                return
            if self._sound is None:
                self._sound = self._start(v1.Block(media=v1.Media(mime_type=audio_type(data))))
            self.events.media(self._sound, data)

    def _grow_call(self, piece: ToolCall) -> None:
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
            call.block = self._start(v1.Block(tool_call=v1.ToolCall(id=call.id, name=name)))
        if arguments:
            self.events.arguments(call.block, arguments)

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

    def _cite(self, annotations: list[Any]) -> None:
        block = self._text_block
        for annotation in annotations:
            citation = citation_of(annotation, self._offsets)
            if citation is None:
                continue
            if block is None or block.done:
                self.events.stop(self._start(v1.Block(citation=citation)))
            else:
                self.events.citation(block, citation)

    def _start(self, header: v1.Block) -> OpenBlock:
        """Stop what grew, and start a block."""
        self.events.begin(served_model=self._model, response_id=self._response_id)
        self._stop_current()
        return self.events.start(header)

    def _stop_current(self) -> None:
        block = self._current
        if block is None:
            return
        if self._thought is not None and (opaque := self._thought.opaque):
            self.events.opaque(block, opaque)
        self._current, self._thought = None, None
        self.events.stop(block)

    def _finish(self, ending: Choice) -> None:
        if any(call.block is None for call in self._calls.values()):
            raise _nameless()
        if self._sound_rest:
            raise UpstreamMalformed("the provider sent sound that is not whole")
        self.events.begin(served_model=self._model, response_id=self._response_id)
        self._stop_current()
        for citation in sources_of(self._sources) if self._sources else ():
            self.events.add(v1.Block(citation=citation))
        finished = ending_of(ending, self._quirks, refused=self._refused, called=self._call_count > 0)
        usage = self.usage
        if usage:
            finished.usage.CopyFrom(usage)
        finished.served_model = self._model
        self.events.finish(finished)


def _nameless() -> UpstreamMalformed:
    return UpstreamMalformed("the provider sent a tool call without a name")
