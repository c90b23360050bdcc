"""A whole answer of the Responses API as a CompleteResponse. Blocks come in the order of the items."""

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
from trunkline_server.providers.jsontext import is_json
from trunkline_server.providers.openai.pieces import token_logprobs
from trunkline_server.providers.openai_responses.errors import reported_error
from trunkline_server.providers.openai_responses.pieces import (
    CALLS,
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
    Item,
    Part,
    decode_item,
    decode_parts,
    decode_response_object,
    decode_tokens,
    is_set,
)

__all__ = ["decode_response"]


def decode_response(body: bytes, deployment: Deployment, format_: str) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken where it is not whole, or what the body reports."""
    answer = decode_response_object(body)
    if is_set(answer.error):
        raise reported_error(bytes(answer.error))
    if answer.status not in ("completed", "incomplete"):
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    response_id = answer.id if isinstance(answer.id, str) else ""
    model = answer.model if isinstance(answer.model, str) else ""
    origin = v1.Origin(provider=deployment.provider.name, model=model or deployment.upstream_model, format=format_)
    blocks = _Blocks(origin, response_id)
    for raw in answer.output or ():
        blocks.add(raw)
    finished = ending_of(answer, refused=blocks.refused, called=asks_for_tools(blocks.kinds))
    if usage := usage_of(answer.usage, answer.tool_usage):
        finished.usage.CopyFrom(usage)
    finished.served_model = model
    return v1.CompleteResponse(
        started=v1.Started(served_model=model, response_id=response_id),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=finished,
    )


class _Blocks:
    """The blocks of one answer."""

    __slots__ = ("_origin", "_response_id", "kinds", "made", "refused")

    def __init__(self, origin: v1.Origin, response_id: str) -> None:
        self._origin = origin
        self._response_id = response_id
        self.made: list[v1.Block] = []
        self.refused = False
        self.kinds: set[str] = set()
        """Types of the items so far."""

    def add(self, raw: msgspec.Raw) -> None:
        """One item. Raises UpstreamMalformed."""
        item, data = decode_item(raw)
        kind = item.type if isinstance(item.type, str) else ""
        if kind == "message":
            self._message(item, data)
        elif kind == "reasoning":
            summary, text = joined_text(item.summary), joined_text(item.content)
            identity = item.id if isinstance(item.id, str) else ""
            self._add(v1.Block(reasoning=v1.Reasoning(id=identity, summary=summary, text=text, opaque=data)))
        elif kind in CALLS:
            self._call(item, data)
        else:
            self._add(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind, data=data)))
        self.kinds.add(kind)

    def _add(self, block: v1.Block) -> v1.Block:
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)
        return block

    def _message(self, item: Item, data: bytes) -> None:
        signature = envelope_of(item, data)
        for part, raw in decode_parts(item.content):
            if is_text(part):
                self._text(part, signature)
                continue
            kind = part.type if isinstance(part.type, str) else ""
            opaque = v1.ProviderOpaque(type=kind, data=bytes(raw))
            self._add(v1.Block(provider_opaque=opaque, signature=signature))

    def _text(self, part: Part, signature: bytes) -> None:
        words, declines = word_of(part), part.type == "refusal"
        self.refused |= declines
        text = v1.Text(text=words, is_refusal=declines, citations=citations_of(part, words))
        block = self._add(v1.Block(text=text, signature=signature))
        block.logprobs.extend(token_logprobs(decode_tokens(part.logprobs)))

    def _call(self, item: Item, data: bytes) -> None:
        if not isinstance(item.name, str) or not item.name:
            raise UpstreamMalformed("the provider sent a tool call without a name")
        arguments = arguments_of(item)
        call = v1.ToolCall(
            id=call_id_of(item, self._response_id, len(self.made)),
            name=item.name,
            arguments_json=arguments,
            arguments_valid=is_json(arguments),
        )
        self._add(v1.Block(tool_call=call, signature=envelope_of(item, data)))
