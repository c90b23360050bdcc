"""A streamed answer of Cohere's chat as events.

1. Parts of the content, the plan and each call are a block, in the order in which they start.
2. A text stays open until the end, because the sources of its spans may come behind it. A source whose text or span
   has not come yet waits for the end, as do those of plans and thoughts, which are blocks of their own.
3. Finished comes at message-end, and only if the provider gave a reason for stopping. ERROR and TIMEOUT are failures.
4. Events of unknown kinds are skipped; content of unknown kinds is kept, with what its pieces add.

    no part --content-start--> open --content-delta--> open --content-end--> stopped (a text: at message-end)
    no call --tool-call-start--> open --tool-call-delta--> open --tool-call-end--> stopped
"""

from typing import Any

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.cohere.errors import reported_error
from trunkline_server.providers.cohere.messages import FORMAT, PLAN
from trunkline_server.providers.cohere.pieces import (
    call_id,
    call_of,
    citations_of,
    ending_of,
    is_of_text,
    logprobs_of,
    stop_word,
    usage_of,
)
from trunkline_server.providers.cohere.wire import (
    Citation,
    Content,
    Event,
    Piece,
    decode_citations,
    decode_event,
    decode_logprobs,
    malformed,
    members_of_content,
    raw_content,
    text_of,
)
from trunkline_server.providers.decoder import AnswerDecoder
from trunkline_server.providers.events import AnswerEvents, OpenBlock
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.offsets import TextOffsets

__all__ = ["ChatStreamDecoder"]

_NO_PIECE = Piece()


class _Part:
    """A part of the content that was started."""

    __slots__ = ("block", "kind", "offsets", "pieces")

    def __init__(self, kind: str, block: OpenBlock, raw: bytes = b"") -> None:
        self.kind = kind
        self.block = block
        self.offsets = TextOffsets() if kind == "text" else None
        self.pieces = [raw] if raw else []
        """Of an unknown kind: how it started, and what came since."""


class ChatStreamDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(SseFraming(), AnswerEvents(deployment, FORMAT))
        self._response_id = ""
        self._usage: Any = None
        self._ending = False
        self._parts: dict[int, _Part] = {}
        self._first_text: _Part | None = None
        self._plan: OpenBlock | None = None
        self._calls: dict[int, OpenBlock] = {}
        self._made_calls = 0
        self._waiting: list[tuple[Citation, bytes]] = []

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported; PARTIAL where it gave no reason for stopping."""
        return usage_of(self._usage, v1.USAGE_SOURCE_PROVIDER if self._ending else v1.USAGE_SOURCE_PARTIAL)

    @property
    def ending(self) -> bool:
        """Whether the provider gave a reason for stopping."""
        return self._ending

    def take(self, name: bytes, payload: bytes) -> None:
        """One event. Raises UpstreamError."""
        if not payload or payload == b"[DONE]":
            return
        event = decode_event(payload)
        match event.type:
            case "content-delta":
                self._grow(event, payload)
            case "content-start":
                self._start(event, payload)
            case "content-end":
                self._stop(_index(event))
            case "message-start":
                self._response_id = event.id if isinstance(event.id, str) else ""
                self._begin()
            case "message-end":
                self._finish(event)
            case "citation-start":
                self._cite(_piece(event))
            case str() if name != b"error":
                self._take_call(event)
            case _:
                if name == b"error" or isinstance(event.message, str):
                    raise reported_error(payload)

    def _take_call(self, event: Event) -> None:
        """What the model plans, and calls. Kinds that are not known are skipped."""
        match event.type:
            case "tool-plan-delta":
                self._add_plan(_piece(event))
            case "tool-call-start":
                self._call(event)
            case "tool-call-delta":
                self._add_arguments(event)
            case "tool-call-end":
                if call := self._calls.pop(_index(event), None):
                    self.events.stop(call)

    def _begin(self) -> None:
        self.events.begin(served_model="", response_id=self._response_id)

    def _start(self, event: Event, payload: bytes) -> None:
        content = _piece(event).content
        if not isinstance(content, Content) or not isinstance(content.type, str):
            raise malformed()
        index = _index(event)
        if made := self._parts.pop(index, None):
            self._close(made)
        made = self._open(index, content.type, payload)
        if made.kind != "opaque":
            self._add(made, content, event)

    def _open(self, index: int, kind: str, payload: bytes) -> _Part:
        self._begin()
        self._end_plan()
        events = self.events
        if kind == "text":
            made = _Part("text", events.start(v1.Block(text=v1.Text())))
            self._first_text = self._first_text or made
        elif kind == "thinking":
            made = _Part("thinking", events.start(v1.Block(reasoning=v1.Reasoning())))
        else:
            header = v1.Block(provider_opaque=v1.ProviderOpaque(type=kind))
            made = _Part("opaque", events.start(header), raw_content(payload))
        self._parts[index] = made
        return made

    def _grow(self, event: Event, payload: bytes) -> None:
        content, index = _piece(event).content, _index(event)
        if not isinstance(content, Content):
            return
        made = self._parts.get(index)
        if made is None:
            made = self._open(index, "text" if content.thinking is None else "thinking", payload)
        if made.kind == "opaque":
            made.pieces.append(raw_content(payload))
        else:
            self._add(made, content, event)

    def _add(self, made: _Part, content: Content, event: Event) -> None:
        if made.offsets is None:
            if thought := text_of(content.thinking):
                self.events.reasoning(made.block, thought)
            return
        text = text_of(content.text)
        logprobs = logprobs_of(decode_logprobs(event.logprobs)) if event.logprobs else ()
        if text or logprobs:
            made.offsets.add(text)
            self.events.text(made.block, text, logprobs)

    def _stop(self, index: int) -> None:
        made = self._parts.get(index)
        if made is not None and made.kind != "text":
            del self._parts[index]
            self._close(made)

    def _close(self, made: _Part) -> None:
        if made.pieces:
            self.events.opaque(made.block, _assembled(made.pieces))
        if made.kind != "text":
            self.events.stop(made.block)

    def _add_plan(self, piece: Piece) -> None:
        plan = text_of(piece.tool_plan)
        if not plan:
            return
        if self._plan is None:
            self._begin()
            self._plan = self.events.start(v1.Block(reasoning=v1.Reasoning(id=PLAN)))
        self.events.reasoning(self._plan, plan)

    def _end_plan(self) -> None:
        if self._plan is not None:
            self.events.stop(self._plan)
            self._plan = None

    def _call(self, event: Event) -> None:
        id_, name, arguments = call_of(_only(_piece(event).tool_calls))
        index = _index(event)
        self._begin()
        self._end_plan()
        if before := self._calls.pop(index, None):
            self.events.stop(before)
        call = v1.ToolCall(id=id_ or call_id(self._response_id, self._made_calls), name=name)
        self._made_calls += 1
        block = self._calls[index] = self.events.start(v1.Block(tool_call=call))
        if arguments:
            self.events.arguments(block, arguments.encode())

    def _add_arguments(self, event: Event) -> None:
        call = self._calls.get(_index(event))
        piece = _only(_piece(event).tool_calls)
        function = piece.get("function") if isinstance(piece, dict) else None
        if call is None or not isinstance(function, dict):
            raise malformed()
        if arguments := text_of(function.get("arguments")):
            self.events.arguments(call, arguments.encode())

    def _cite(self, piece: Piece) -> None:
        for citation, raw in decode_citations(piece.citations):
            made = self._text_of(citation)
            if made is None or made.offsets is None or made.offsets.span(citation.start, citation.end) is None:
                self._waiting.append((citation, raw))
            else:
                self._place(made, citation, raw)

    def _text_of(self, citation: Citation) -> _Part | None:
        """The text that a source is of; None if it is of none, or of one that has not come yet."""
        if not is_of_text(citation):
            return None
        index = citation.content_index
        made = self._parts.get(index) if type(index) is int else None
        return made if made is not None and made.kind == "text" else self._first_text

    def _place(self, made: _Part | None, citation: Citation, raw: bytes) -> None:
        for each in citations_of(citation, raw, made.offsets if made else None):
            if made:
                self.events.citation(made.block, each)
            else:
                self.events.add(v1.Block(citation=each))

    def _finish(self, event: Event) -> None:
        delta = event.delta
        if delta is not None and delta.usage is not None:
            self._usage = delta.usage
        reason = stop_word(delta.finish_reason if delta else None, delta.error if delta else None)
        self._ending = True
        self._begin()
        self._end_plan()
        for made in self._parts.values():
            if made.kind == "opaque":
                self._close(made)
        for citation, raw in self._waiting:
            self._place(self._text_of(citation), citation, raw)
        self.events.finish(ending_of(reason, self.usage))


def _piece(event: Event) -> Piece:
    delta = event.delta
    return _NO_PIECE if delta is None or delta.message is None else delta.message


def _index(event: Event) -> int:
    index = event.index
    if index is None:
        return 0
    if type(index) is not int:
        raise malformed()
    return index


def _only(calls: Any) -> Any:
    """The one call of an event, which some servers put into a list."""
    return calls[0] if isinstance(calls, list) and len(calls) == 1 else calls


def _assembled(pieces: list[bytes]) -> bytes:
    """A part of an unknown kind: texts of its pieces are appended to members of their name, other values replace."""
    if len(pieces) == 1:
        return pieces[0]
    members = members_of_content(pieces[0])
    texts: dict[str, list[str]] = {}
    for piece in pieces[1:]:
        for name, value in members_of_content(piece).items():
            if name == "type":
                continue
            if bytes(value)[:1] == b'"':
                texts.setdefault(name, [_text(members.get(name))]).append(_text(value))
            else:
                texts.pop(name, None)
                members[name] = value
    for name, told in texts.items():
        members[name] = msgspec.Raw(msgspec.json.encode("".join(told)))
    return msgspec.json.encode(members)


def _text(value: msgspec.Raw | None) -> str:
    """The text that a member is; empty if it is another value."""
    try:
        return msgspec.json.decode(value or b'""', type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
