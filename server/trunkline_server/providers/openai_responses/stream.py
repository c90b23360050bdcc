"""A streamed answer of the Responses API as events.

1. Time is linear in the bytes; what is kept is bounded: 32 MiB for an event, since pictures come whole in one and the
   last one repeats the whole answer, 64 MiB for an answer, 1,024 blocks. Of texts only the lengths are kept.
2. The item that is told at its end is the truth, and pieces of it are a preview: what servers did not stream (some send
   pieces without an item, others items without pieces) is written when the item is done, or the answer.
3. Finished comes with response.completed or response.incomplete. Without one of them the answer is broken.

Signatures, citations and opaque bytes come only in an item that is done, so blocks stop there:

    added --first piece--> started --piece--> started --done--> stopped
    added --done--> started and stopped at once

A thought that is done without what it was asked for, its sealed form, waits for the last event: Azure tells of it only
there (https://github.com/earendil-works/pi/pull/4256).

Items are numbered by output_index; servers that leave it out are followed by item_id, and else by their order.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.decoder import AnswerDecoder, broken_off
from trunkline_server.providers.events import MAX_BLOCKS, AnswerEvents, OpenBlock, too_many_blocks
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.openai.pieces import token_logprobs
from trunkline_server.providers.openai_responses.errors import reported_error
from trunkline_server.providers.openai_responses.pieces import (
    CALLS,
    SEPARATOR,
    arguments_of,
    asks_for_tools,
    call_id_of,
    citations_of,
    ending_of,
    envelope_of,
    is_text,
    joined_text,
    usage_of,
    word_of,
)
from trunkline_server.providers.openai_responses.wire import (
    Event,
    Item,
    Part,
    Response,
    decode_event,
    decode_item,
    decode_parts,
    decode_response_object,
    decode_tokens,
    is_filled,
    is_set,
)

__all__ = ["MAX_EVENT_BYTES", "ResponsesStreamDecoder"]

MAX_EVENT_BYTES: Final = 32 << 20
_OPAQUE_STEP: Final = 64 << 10
"""Opaque bytes leave in pieces of this size: callers bound their messages."""
_MAX_IDS: Final = 2 * MAX_BLOCKS
"""Some servers give an item another id when it is done; items beyond these ids are followed by their indexes alone."""


class _TextPart:
    """A part of a message that was started."""

    __slots__ = ("block", "sent")

    def __init__(self, block: OpenBlock) -> None:
        self.block = block
        self.sent = False


class _Growing:
    """An output item as its pieces come."""

    __slots__ = ("block", "call_id", "done", "id", "index", "kind", "late", "name", "parts", "said", "sent", "waits")

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.id = ""
        self.call_id = ""
        self.name = ""
        self.block: OpenBlock | None = None
        """Of a thought or a call."""
        self.parts: dict[int, _TextPart] = {}
        """Of a message, by content_index."""
        self.said: dict[str, Any] = {}
        """Of summary and thought that had a piece, the part that grew last."""
        self.sent = False
        """Whether arguments were given."""
        self.waits = True
        """Whether it is among those that have no block."""
        self.done = False
        self.late: tuple[Item, bytes] | None = None
        """The item as it was told of when it was done, while more of it may come with the last event."""


class ResponsesStreamDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment, format_: str) -> None:
        super().__init__(SseFraming(MAX_EVENT_BYTES), AnswerEvents(deployment, format_))
        self._seals = bool(deployment.provider.settings.get("encrypted_reasoning", True))
        """Whether thoughts were asked for in their sealed form."""
        self._response_id = ""
        self._model = ""
        self._usage: Any = None
        self._tool_usage: Any = None
        self._items: dict[int, _Growing] = {}
        self._by_id: dict[str, _Growing] = {}
        self._last: _Growing | None = None
        self._unstarted: deque[_Growing] = deque()
        """Items that were added and have no block, in order."""
        self._kinds: set[str] = set()
        self._refused = False
        self._text_place: tuple[Any, Any, bool] | None = None
        """Where the last piece of a text belonged, so that the next one is not looked up; None: look it up."""
        self._text_block: OpenBlock | None = None

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported so far."""
        source = v1.USAGE_SOURCE_PROVIDER if self.events.finished else v1.USAGE_SOURCE_PARTIAL
        return usage_of(self._usage, self._tool_usage, source)

    @property
    def ending(self) -> bool:
        """The finish reason comes with the end itself."""
        return self.events.finished

    def take(self, name: bytes, payload: bytes) -> None:
        """One event. Raises UpstreamError."""
        if payload[:1] != b"{":
            payload = payload.strip()
            if payload == b"[DONE]":  # servers that come from chat completions send it
                raise broken_off()
            if not payload:
                return
        event = decode_event(payload)
        kind = event.type or name.decode("ascii", "replace")
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)
        elif kind == "error" or (is_set(event.error) and not kind.startswith("response.")):
            raise reported_error(payload)

    # What the answer says of itself

    def _learn(self, event: Event) -> Response:
        response = decode_response_object(event.response) if is_set(event.response) else Response()
        if isinstance(response.id, str) and response.id:
            self._response_id = response.id
        if isinstance(response.model, str) and response.model:
            self._model = response.model
        if response.usage is not None:
            self._usage = response.usage
        if response.tool_usage is not None:
            self._tool_usage = response.tool_usage
        return response

    def _progress(self, event: Event) -> None:
        self._learn(event)

    def _fail(self, event: Event) -> None:
        response = self._learn(event)
        if is_set(response.error):
            raise reported_error(bytes(response.error))
        raise UpstreamBroken("the provider gave an answer up without saying why")

    def _end(self, event: Event) -> None:
        response = self._learn(event)
        if is_set(response.error):
            raise reported_error(bytes(response.error))
        if response.status not in ("completed", "incomplete"):
            response.status = (event.type or "").removeprefix("response.")
        self._complete_all(response.output or [])
        self._begin()
        finished = ending_of(response, refused=self._refused, called=asks_for_tools(self._kinds))
        if usage := usage_of(self._usage, self._tool_usage):
            finished.usage.CopyFrom(usage)
        finished.served_model = self._model
        self.events.finish(finished)

    # Items

    def _added(self, event: Event) -> None:
        if not is_set(event.item):
            return
        item, _ = decode_item(event.item)
        kind = item.type if isinstance(item.type, str) else ""
        index = _index(event.output_index)
        if index is None:
            index = len(self._items)
        growing = self._items.get(index) or self._new(index, kind)
        self._note(growing, item)

    def _new(self, index: int, kind: str) -> _Growing:
        if len(self._items) == MAX_BLOCKS:
            raise too_many_blocks()
        growing = self._items[index] = self._last = _Growing(index, kind)
        self._unstarted.append(growing)
        return growing

    def _note(self, growing: _Growing, item: Item) -> None:
        if isinstance(item.id, str) and item.id:
            growing.id = growing.id or item.id
            if len(self._by_id) < _MAX_IDS:
                self._by_id[item.id] = growing
        if item.call_id and isinstance(item.call_id, str):
            growing.call_id = growing.call_id or item.call_id
        if item.name and isinstance(item.name, str):
            growing.name = growing.name or item.name

    def _find(self, event: Event, kind: str) -> _Growing:
        """The item that a piece belongs to; a new one where none was announced."""
        index = _index(event.output_index)
        if index is not None:
            growing = self._items.get(index)
        elif isinstance(event.item_id, str) and event.item_id in self._by_id:
            growing = self._by_id[event.item_id]
        else:
            growing = self._last if self._last and self._last.kind == kind and not self._last.done else None
        if growing is None:
            growing = self._new(len(self._items) if index is None else index, kind)
            if isinstance(event.item_id, str) and event.item_id:
                growing.id = event.item_id
                self._by_id[event.item_id] = growing
        if growing.kind != kind:
            raise UpstreamMalformed("the provider sent a piece of one kind for an item of another")
        return growing

    # Pieces

    def _text(self, event: Event) -> None:
        self._grow_text(event, refusal=False)

    def _refusal(self, event: Event) -> None:
        self._grow_text(event, refusal=True)

    def _grow_text(self, event: Event, *, refusal: bool) -> None:
        delta = event.delta
        if not isinstance(delta, str):
            return
        if not delta and not event.logprobs:
            return
        place = (event.output_index, event.content_index, refusal)
        if place != self._text_place:
            growing = self._find(event, "message")
            if growing.done:
                return
            at = _index(event.content_index) or 0
            part = growing.parts.get(at) or self._start_text(growing, at, refusal=refusal)
            part.sent = True
            self._text_block = part.block
            self._text_place = None if event.output_index is None else place
        assert self._text_block is not None  # noqa: S101 - a place is kept with its block
        tokens = token_logprobs(decode_tokens(event.logprobs)) if event.logprobs else ()
        self.events.text(self._text_block, delta, tokens)

    def _start_text(self, growing: _Growing, place: int, *, refusal: bool) -> _TextPart:
        self._start_before(growing)
        self._refused |= refusal
        block = self.events.start(v1.Block(text=v1.Text(is_refusal=refusal)))
        part = growing.parts[place] = _TextPart(block)
        return part

    def _summary(self, event: Event) -> None:
        if piece := self._grow_thought(event, "summary", event.summary_index):
            self.events.summary(*piece)

    def _thought(self, event: Event) -> None:
        if piece := self._grow_thought(event, "text", event.content_index):
            self.events.reasoning(*piece)

    def _grow_thought(self, event: Event, what: str, part: Any) -> tuple[OpenBlock, str] | None:
        delta = event.delta
        if not isinstance(delta, str) or not delta:
            return None
        growing = self._find(event, "reasoning")
        if growing.done:
            return None
        block = growing.block or self._start_thought(growing)
        if what in growing.said and growing.said[what] != part:
            delta = SEPARATOR + delta
        growing.said[what] = part
        return block, delta

    def _start_thought(self, growing: _Growing) -> OpenBlock:
        self._start_before(growing)
        return self._thought_block(growing)

    def _thought_block(self, growing: _Growing) -> OpenBlock:
        growing.block = self.events.start(v1.Block(reasoning=v1.Reasoning(id=growing.id)))
        return growing.block

    def _arguments(self, event: Event) -> None:
        self._grow_call(event, "function_call")

    def _input(self, event: Event) -> None:
        self._grow_call(event, "custom_tool_call")

    def _grow_call(self, event: Event, kind: str) -> None:
        delta = event.delta
        if not isinstance(delta, str) or not delta:
            return
        growing = self._find(event, kind)
        if growing.done or not growing.name:
            return  # one without a name is written when it is done
        block = growing.block or self._start_call(growing)
        growing.sent = True
        self.events.arguments(block, delta.encode())

    def _start_call(self, growing: _Growing) -> OpenBlock:
        self._start_before(growing)
        return self._call_block(growing)

    def _call_block(self, growing: _Growing) -> OpenBlock:
        known = Item(call_id=growing.call_id, id=growing.id)
        call = v1.ToolCall(id=call_id_of(known, self._response_id, growing.index), name=growing.name)
        growing.block = self.events.start(v1.Block(tool_call=call))
        return growing.block

    def _start_before(self, growing: _Growing) -> None:
        """Start what was added before this item, so that blocks keep the order of the items.

        Messages, whose parts are not known yet, and items that come whole can't be started early: they come later.
        """
        self._begin()
        while growing.waits:
            earlier = self._unstarted.popleft()
            earlier.waits = False
            if earlier is not growing and earlier.kind == "reasoning":
                self._thought_block(earlier)
            elif earlier is not growing and earlier.kind in CALLS and earlier.name:
                self._call_block(earlier)

    def _begin(self) -> None:
        self.events.begin(served_model=self._model, response_id=self._response_id)

    # Items that are done

    def _item_done(self, event: Event) -> None:
        if not is_set(event.item):
            return
        item, data = decode_item(event.item)
        kind = item.type if isinstance(item.type, str) else ""
        growing = self._done_one(event, item, kind)
        if kind == "reasoning" == growing.kind and self._seals and not _is_whole(item):
            self._wait(growing, item, data)
        else:
            self._complete(growing, item, data)

    def _wait(self, growing: _Growing, item: Item, data: bytes) -> None:
        if growing.late is not None or not growing.done:
            growing.late, growing.done = (item, data), True

    def _done_one(self, event: Event, item: Item, kind: str) -> _Growing:
        index = _index(event.output_index)
        if index is not None:
            return self._items.get(index) or self._new(index, kind)
        known = self._by_id.get(item.id) if isinstance(item.id, str) else None
        if known is None and self._last and self._last.kind == kind and not self._last.done:
            known = self._last
        return known or self._new(len(self._items), kind)

    def _complete(self, growing: _Growing, item: Item, data: bytes) -> None:
        """Write what was not streamed of an item, and stop its blocks."""
        if growing.done and growing.late is None:
            return
        growing.late = None
        kind = item.type if isinstance(item.type, str) else ""
        if growing.kind != kind:
            raise UpstreamMalformed("the provider sent an item that changed its kind")
        self._text_place = None
        self._kinds.add(kind)
        self._note(growing, item)
        if kind == "message":
            self._complete_message(growing, item, data)
        elif kind == "reasoning":
            self._complete_thought(growing, item, data)
        elif kind in CALLS:
            self._complete_call(growing, item, data)
        else:
            self._start_before(growing)
            self._write_opaque(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind)), data)
        growing.done = True

    def _complete_message(self, growing: _Growing, item: Item, data: bytes) -> None:
        signature = envelope_of(item, data)
        opened = []
        for place, (part, raw) in enumerate(decode_parts(item.content)):
            if is_text(part):
                opened.append(self._complete_text(growing, place, part))
            else:
                self._start_before(growing)
                kind = part.type if isinstance(part.type, str) else ""
                header = v1.Block(provider_opaque=v1.ProviderOpaque(type=kind), signature=signature)
                self._write_opaque(header, bytes(raw))
        opened += [part.block for part in growing.parts.values() if part.block not in opened]
        for block in opened:
            self.events.signature(block, signature)
            self.events.stop(block)

    def _complete_text(self, growing: _Growing, place: int, part: Part) -> OpenBlock:
        started = growing.parts.get(place) or self._start_text(growing, place, refusal=part.type == "refusal")
        text = word_of(part)
        if not started.sent and text:
            self.events.text(started.block, text, token_logprobs(decode_tokens(part.logprobs)))
        for citation in citations_of(part, text):
            self.events.citation(started.block, citation)
        return started.block

    def _complete_thought(self, growing: _Growing, item: Item, data: bytes) -> None:
        block = growing.block or self._start_thought(growing)
        if "summary" not in growing.said and (summary := joined_text(item.summary)):
            self.events.summary(block, summary)
        if "text" not in growing.said and (text := joined_text(item.content)):
            self.events.reasoning(block, text)
        self._write(block, data)

    def _complete_call(self, growing: _Growing, item: Item, data: bytes) -> None:
        if not growing.name:
            raise UpstreamMalformed("the provider sent a tool call without a name")
        block = growing.block or self._start_call(growing)
        if not growing.sent and (arguments := arguments_of(item)):
            self.events.arguments(block, arguments)
        self.events.signature(block, envelope_of(item, data))
        self.events.stop(block)

    def _write_opaque(self, header: v1.Block, data: bytes) -> None:
        self._write(self.events.start(header), data)

    def _write(self, block: OpenBlock, data: bytes) -> None:
        for start in range(0, len(data), _OPAQUE_STEP):
            self.events.opaque(block, data[start : start + _OPAQUE_STEP])
        self.events.stop(block)

    def _complete_all(self, output: list[msgspec.Raw]) -> None:
        """What the whole answer tells of items that were not done, or not told of at all.

        Where an item that came before can't be found in it, nothing new is taken from it: a text must not come twice.
        """
        if len(output) > MAX_BLOCKS:
            raise too_many_blocks()
        rest = [decode_item(raw) for raw in output]
        taken: set[int] = set()
        is_same = True
        for growing in self._items.values():
            place = _place_of(growing, rest, taken)
            if place is not None:
                taken.add(place)
                self._complete(growing, *rest[place])
                continue
            is_same = False
            if growing.late is not None:
                self._complete(growing, *growing.late)
        if is_same:
            for place, (item, data) in enumerate(rest):
                if place not in taken:
                    kind = item.type if isinstance(item.type, str) else ""
                    self._complete(self._new(_unused(self._items), kind), item, data)
        self._kinds.update(growing.kind for growing in self._items.values())


def _is_whole(item: Item) -> bool:
    return is_filled(item.encrypted_content) or is_filled(item.content)


def _place_of(growing: _Growing, rest: list[tuple[Item, bytes]], taken: set[int]) -> int | None:
    """Where an item stands in the whole answer: at its index, else the first of its kind that is left."""
    if growing.index < len(rest) and growing.index not in taken and rest[growing.index][0].type == growing.kind:
        return growing.index
    for place, (item, _) in enumerate(rest):
        if place not in taken and item.type == growing.kind:
            return place
    return None


def _unused(items: Mapping[int, _Growing]) -> int:
    return max(items, default=-1) + 1


def _index(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


_HANDLERS: Final[Mapping[str, Callable[[ResponsesStreamDecoder, Event], None]]] = {
    "response.output_text.delta": ResponsesStreamDecoder._text,
    "response.refusal.delta": ResponsesStreamDecoder._refusal,
    "response.reasoning_summary_text.delta": ResponsesStreamDecoder._summary,
    "response.reasoning_text.delta": ResponsesStreamDecoder._thought,
    "response.function_call_arguments.delta": ResponsesStreamDecoder._arguments,
    "response.custom_tool_call_input.delta": ResponsesStreamDecoder._input,
    "response.output_item.added": ResponsesStreamDecoder._added,
    "response.output_item.done": ResponsesStreamDecoder._item_done,
    "response.created": ResponsesStreamDecoder._progress,
    "response.in_progress": ResponsesStreamDecoder._progress,
    "response.queued": ResponsesStreamDecoder._progress,
    "response.completed": ResponsesStreamDecoder._end,
    "response.incomplete": ResponsesStreamDecoder._end,
    "response.failed": ResponsesStreamDecoder._fail,
    "response.cancelled": ResponsesStreamDecoder._fail,
}
"""Of all events these are read; what the others tell stands in these as well."""
