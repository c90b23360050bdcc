"""A streamed answer of Anthropic's messages as events.

1. Each block of the wire is one block, in the order in which they start.
2. A signature, and a block that only the provider reads, are told where their block stops, whole: the provider's own
   SDK takes the last signature that comes.
3. Finished comes at message_stop or at the end of the bytes, and only if the provider gave a reason for stopping.
4. Events, pieces and members of unknown kinds are skipped; pieces of a block of an unknown kind are put into it.

    no block --content_block_start--> open --content_block_delta--> open --content_block_stop--> stopped
"""

from typing import Any, Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.providers.anthropic.container import container_data, container_header, container_id
from trunkline_server.providers.anthropic.errors import reported_error
from trunkline_server.providers.anthropic.flavour import FORMAT
from trunkline_server.providers.anthropic.pieces import (
    KNOWN_BLOCKS,
    call_members,
    citation_of,
    ending_of,
    name_of,
    opaque_data,
    stop_word,
)
from trunkline_server.providers.anthropic.response import call_id
from trunkline_server.providers.anthropic.tools import ANSWER_TOOL
from trunkline_server.providers.anthropic.usage import merged_usage, usage_of
from trunkline_server.providers.anthropic.wire import (
    Block,
    Delta,
    Event,
    decode_block,
    decode_event,
    kind_of,
    malformed,
    members_of_block,
)
from trunkline_server.providers.decoder import AnswerDecoder, Framing, broken_off
from trunkline_server.providers.events import AnswerEvents, OpenBlock
from trunkline_server.providers.framing.sse import SseFraming
from trunkline_server.providers.jsontext import is_json

__all__ = ["MessageStreamDecoder"]


class _Open:
    """A block that was started and not stopped, and what waits for its stop."""

    __slots__ = ("block", "kind", "pieces", "raw", "signature")

    def __init__(self, kind: str, block: OpenBlock, raw: bytes = b"") -> None:
        self.kind = kind
        self.block = block
        self.raw = raw
        """Of a call its input as it started, of an unknown block all of it."""
        self.signature = ""
        self.pieces: list[bytes] = []
        """Of an unknown block the events that bring more of it; of a call nothing, but that there were any."""


class MessageStreamDecoder(AnswerDecoder):
    """One streamed answer."""

    def __init__(self, deployment: Deployment, framing: Framing | None = None) -> None:
        super().__init__(framing or SseFraming(), AnswerEvents(deployment, FORMAT))
        self._response_id = ""
        self._model = ""
        self._usage: Any = None
        self._reason = ""
        self._stop_sequence: Any = None
        self._stop_details: Any = None
        self._container = b""
        self._blocks: dict[int, _Open] = {}
        self._calls = 0
        self._answered_by_call = False

    @property
    def usage(self) -> v1.Usage | None:
        """What the provider has reported; PARTIAL until it gave a reason for stopping."""
        return usage_of(self._usage, v1.USAGE_SOURCE_PROVIDER if self._reason else v1.USAGE_SOURCE_PARTIAL)

    @property
    def ending(self) -> bool:
        """Whether the provider gave a reason for stopping."""
        return bool(self._reason)

    def take(self, name: bytes, payload: bytes) -> None:
        """One event. Raises UpstreamError."""
        if not payload or payload == b"[DONE]":
            return
        event = decode_event(payload)
        match event.type:
            case "content_block_delta":
                self._grow(event, payload)
            case "content_block_start":
                self._start(event)
            case "content_block_stop":
                self._stop(event.index)
            case "message_start":
                self._begin(event)
            case "message_delta":
                self._learn_ending(event)
            case "message_stop":
                self.finish_at_end()
            case "error":
                raise reported_error(payload)
            case _:
                if name == b"error":
                    raise reported_error(payload)

    def finish_at_end(self) -> None:
        """Finish, if the provider gave a reason for stopping. Raises UpstreamBroken."""
        if not self._reason:
            raise broken_off()
        for index in list(self._blocks):
            self._stop(index)
        self.events.begin(served_model=self._model, response_id=self._response_id)
        self._tell_container()
        finished = ending_of(
            self._reason,
            self._stop_sequence,
            self._stop_details,
            answered_by_call=self._answered_by_call,
            called=self._calls > 0,
        )
        if usage := self.usage:
            finished.usage.CopyFrom(usage)
        finished.served_model = self._model
        self.events.finish(finished)

    def _tell_container(self) -> None:
        if data := container_data(self._container, self._reason):
            block = self.events.start(container_header())
            self.events.opaque(block, data)
            self.events.stop(block)

    def _begin(self, event: Event) -> None:
        answer = event.message
        if answer is None or self.events.started:
            return
        self._response_id = answer.id if isinstance(answer.id, str) else ""
        self._model = answer.model if isinstance(answer.model, str) else ""
        self._usage = merged_usage(self._usage, answer.usage)
        self._container = bytes(answer.container)
        self.events.begin(served_model=self._model, response_id=self._response_id)
        if usage := self.usage:
            self.events.usage(usage)

    def _learn_ending(self, event: Event) -> None:
        self._usage = merged_usage(self._usage, event.usage)
        delta = event.delta
        if delta is None:
            return
        if container_id(container := bytes(delta.container)):
            self._container = container
        if reason := stop_word(delta.stop_reason):
            self._reason, self._stop_sequence, self._stop_details = reason, delta.stop_sequence, delta.stop_details

    def _start(self, event: Event) -> None:
        self.events.begin(served_model=self._model, response_id=self._response_id)
        self._stop(event.index)
        raw = event.content_block
        kind = kind_of(raw)
        if kind in KNOWN_BLOCKS:
            self._blocks[event.index] = self._start_known(decode_block(raw))
        else:
            members_of_block(raw)
            header = v1.Block(provider_opaque=v1.ProviderOpaque(type=kind))
            self._blocks[event.index] = _Open("opaque", self.events.start(header), bytes(raw))

    def _start_known(self, wire: Block) -> _Open:
        events = self.events
        match wire.type:
            case "text":
                made = _Open("text", events.start(v1.Block(text=v1.Text())))
                if wire.text:
                    events.text(made.block, wire.text)
                for raw in wire.citations or ():
                    events.citation(made.block, citation_of(raw))
                return made
            case "thinking":
                made = _Open("thinking", events.start(v1.Block(reasoning=v1.Reasoning())))
                if wire.thinking:
                    events.reasoning(made.block, wire.thinking)
                made.signature = wire.signature or ""
                return made
            case "redacted_thinking":
                made = _Open("redacted", events.start(v1.Block(reasoning=v1.Reasoning(redacted=True))))
                if wire.data:
                    events.opaque(made.block, wire.data.encode())
                return made
            case _:
                return self._start_call(wire)

    def _start_call(self, wire: Block) -> _Open:
        name, raw = name_of(wire), bytes(wire.input) or b"{}"
        if name == ANSWER_TOOL:
            self._answered_by_call = True
            members_of_block(raw)  # that it is JSON in UTF-8: it may become the text
            return _Open("answer", self.events.start(v1.Block(text=v1.Text())), raw)
        call = v1.ToolCall(id=wire.id or call_id(self._response_id, self._calls), name=name)
        self._calls += 1
        made = _Open("call", self.events.start(v1.Block(tool_call=call)), raw)
        if members := call_members(wire):
            self.events.signature(made.block, members)
        return made

    def _grow(self, event: Event, payload: bytes) -> None:
        delta, made = event.delta, self._blocks.get(event.index)
        if delta is None or made is None:
            raise malformed()
        kind = made.kind
        if kind == "text":
            if delta.text:
                self.events.text(made.block, delta.text)
            elif delta.citation:
                self.events.citation(made.block, citation_of(delta.citation))
        elif kind in {"call", "answer"}:
            self._grow_call(made, delta)
        elif kind == "thinking":
            if delta.thinking:
                self.events.reasoning(made.block, delta.thinking)
            if delta.signature:
                made.signature = delta.signature
        elif kind == "opaque":
            made.pieces.append(payload)

    def _grow_call(self, made: _Open, delta: Delta) -> None:
        piece = delta.partial_json
        if not piece:
            return
        if not made.pieces:
            made.pieces.append(b"")
        if made.kind == "answer":
            self.events.text(made.block, piece)
        else:
            self.events.arguments(made.block, piece.encode())

    def _stop(self, index: int) -> None:
        made = self._blocks.pop(index, None)
        if made is None:
            return
        if made.kind == "thinking" and made.signature:
            self.events.signature(made.block, made.signature.encode())
        elif made.kind == "call" and not made.pieces:
            self.events.arguments(made.block, made.raw)
        elif made.kind == "answer" and not made.pieces:
            self.events.text(made.block, made.raw.decode())
        elif made.kind == "opaque":
            self.events.opaque(made.block, _assembled(made))
        self.events.stop(made.block)


def _assembled(made: _Open) -> bytes:
    """A block of an unknown kind with the pieces that came for it.

    Pieces of JSON are its input. Other texts are appended to the member of their name; what is no text replaces it, but
    for null, which says nothing.
    """
    members = members_of_block(made.raw)
    if not made.pieces:
        return opaque_data(members, made.raw)
    texts: dict[str, list[str]] = {}
    for payload in made.pieces:
        for name, value in _piece(payload).items():
            if bytes(value)[:1] == b'"':
                texts.setdefault(name, [_text(members.get(name))] if name in members else []).append(_text(value))
            elif bytes(value) != b"null" or name not in {*members, *texts}:
                texts.pop(name, None)
                members[name] = value
    given = "".join(texts.pop("partial_json", [])).encode()
    if given and is_json(given):
        members["input"] = msgspec.Raw(given)
    for name, pieces in texts.items():
        members[name] = msgspec.Raw(msgspec.json.encode("".join(pieces)))
    return msgspec.json.encode(members)


class _Piece(msgspec.Struct, gc=False):
    delta: dict[str, msgspec.Raw] = {}


_PIECES: Final = msgspec.json.Decoder(_Piece)


def _piece(payload: bytes) -> dict[str, msgspec.Raw]:
    """The members of a piece but its type. Raises UpstreamMalformed."""
    if not is_json(payload):
        raise malformed()
    try:
        members = _PIECES.decode(payload).delta
    except msgspec.DecodeError as error:
        raise malformed() from error
    members.pop("type", None)
    return members


def _text(value: msgspec.Raw | None) -> str:
    """The text that a member is; empty if it is another value."""
    try:
        return msgspec.json.decode(value or b'""', type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
