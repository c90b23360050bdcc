"""A whole answer of Anthropic's messages as a CompleteResponse: its blocks in their order."""

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.anthropic.container import CONTAINER, container_data
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
from trunkline_server.providers.anthropic.tools import ANSWER_TOOL
from trunkline_server.providers.anthropic.usage import usage_of
from trunkline_server.providers.anthropic.wire import Block, decode_answer, decode_block, kind_of, members_of_block
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks

__all__ = ["call_id", "decode_response"]


def decode_response(body: bytes, deployment: Deployment) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken without a finish reason, or what the body reports."""
    answer = decode_answer(body)
    if answer.type == "error":
        raise reported_error(body)
    if answer.content is None:
        raise UpstreamMalformed("the provider sent an answer without content")
    reason = stop_word(answer.stop_reason)
    if not reason:
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    response_id = answer.id if isinstance(answer.id, str) else ""
    model = answer.model if isinstance(answer.model, str) else ""
    origin = v1.Origin(provider=deployment.provider.name, model=model or deployment.upstream_model, format=FORMAT)
    blocks = _Blocks(origin, response_id)
    for raw in answer.content:
        blocks.add(raw)
    if container := container_data(bytes(answer.container), reason):
        blocks.add_opaque(CONTAINER, container)
    finished = ending_of(
        reason,
        answer.stop_sequence,
        answer.stop_details,
        answered_by_call=blocks.answered_by_call,
        called=blocks.calls > 0,
    )
    usage = usage_of(answer.usage)
    if usage:
        finished.usage.CopyFrom(usage)
    finished.served_model = model
    return v1.CompleteResponse(
        started=v1.Started(served_model=model, response_id=response_id),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=finished,
    )


def call_id(response_id: str, number: int) -> str:
    """An id for a tool call that came without one: the result of the tool has to name it."""
    return f"call_{response_id}_{number}"


class _Blocks:
    """The blocks of one message."""

    __slots__ = ("_origin", "_response_id", "answered_by_call", "calls", "made")

    def __init__(self, origin: v1.Origin, response_id: str) -> None:
        self._origin = origin
        self._response_id = response_id
        self.made: list[v1.Block] = []
        self.answered_by_call = False
        self.calls = 0

    def add(self, raw: msgspec.Raw) -> None:
        """The next block. Raises UpstreamMalformed."""
        kind = kind_of(raw)
        if kind in KNOWN_BLOCKS:
            self._add(self._known(decode_block(raw)))
        else:
            self.add_opaque(kind, opaque_data(members_of_block(raw), bytes(raw)))

    def add_opaque(self, kind: str, data: bytes) -> None:
        """The next block, of which only the provider knows what it means. Raises UpstreamMalformed."""
        self._add(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind, data=data)))

    def _add(self, block: v1.Block) -> None:
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)

    def _known(self, wire: Block) -> v1.Block:
        match wire.type:
            case "text":
                sources = [citation_of(raw) for raw in wire.citations or ()]
                return v1.Block(text=v1.Text(text=wire.text or "", citations=sources))
            case "thinking":
                thought = v1.Reasoning(text=wire.thinking or "")
                return v1.Block(reasoning=thought, signature=(wire.signature or "").encode())
            case "redacted_thinking":
                return v1.Block(reasoning=v1.Reasoning(redacted=True, opaque=(wire.data or "").encode()))
            case _:
                return self._call(wire)

    def _call(self, wire: Block) -> v1.Block:
        name, arguments = name_of(wire), bytes(wire.input) or b"{}"
        if name == ANSWER_TOOL:
            self.answered_by_call = True
            members_of_block(arguments)  # that it is JSON in UTF-8: it becomes a text
            return v1.Block(text=v1.Text(text=arguments.decode()))
        call = v1.ToolCall(id=wire.id or call_id(self._response_id, self.calls), name=name, arguments_json=arguments)
        call.arguments_valid = True
        self.calls += 1
        return v1.Block(tool_call=call, signature=call_members(wire))
