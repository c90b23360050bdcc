"""A whole answer of Cohere's chat as a CompleteResponse.

The wire has content, plan, calls and citations apart; the blocks are in that order.
Citations stand within the text that they are of; those of plans and thoughts are blocks of their own, at the end.
"""

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamMalformed
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
    Answer,
    Citation,
    Logprobs,
    Message,
    decode_answer,
    decode_citations,
    decode_content,
    decode_logprobs,
    decode_message,
    malformed,
    text_of,
    whole,
)
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
from trunkline_server.providers.jsontext import is_json
from trunkline_server.providers.offsets import TextOffsets

__all__ = ["decode_response"]


def decode_response(body: bytes, deployment: Deployment) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken without a finish reason, or what the body reports."""
    answer = decode_answer(body)
    wire = _message(answer, body)
    reason = stop_word(answer.finish_reason, None)
    response_id = answer.id if isinstance(answer.id, str) else ""
    origin = v1.Origin(provider=deployment.provider.name, model=deployment.upstream_model, format=FORMAT)
    blocks = _Blocks(origin, response_id)
    blocks.add_content(wire.content or [])
    if plan := text_of(wire.tool_plan):
        blocks.add(v1.Block(reasoning=v1.Reasoning(text=plan, id=PLAN)))
    for call in wire.tool_calls or ():
        blocks.add_call(call)
    for citation, raw in decode_citations(wire.citations):
        blocks.add_citation(citation, raw)
    blocks.add_logprobs(decode_logprobs(answer.logprobs))
    return v1.CompleteResponse(
        started=v1.Started(response_id=response_id),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=ending_of(reason, usage_of(answer.usage)),
    )


def _message(answer: Answer, body: bytes) -> Message:
    """The message; where there is a text in its place, that tells of a failure."""
    raw = bytes(answer.message)
    if raw[:1] == b'"' and answer.finish_reason is None:
        raise reported_error(body)
    if not raw:
        raise UpstreamMalformed("the provider sent an answer without a message")
    return decode_message(answer.message)


class _Blocks:
    """The blocks of one message."""

    __slots__ = ("_calls", "_origin", "_response_id", "_spoken", "_texts", "made")

    def __init__(self, origin: v1.Origin, response_id: str) -> None:
        self._origin = origin
        self._response_id = response_id
        self._calls = 0
        self._texts: dict[int, tuple[v1.Block, TextOffsets]] = {}
        """By the place in the content."""
        self._spoken: list[v1.Block] = []
        """Thoughts and texts, in order."""
        self.made: list[v1.Block] = []

    def add(self, block: v1.Block) -> v1.Block:
        """The next block. Raises UpstreamMalformed."""
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)
        return block

    def add_content(self, content: list[msgspec.Raw]) -> None:
        """All parts of the content. Raises UpstreamMalformed."""
        for place, raw in enumerate(content):
            part = decode_content(raw)
            if part.type == "text":
                text = text_of(part.text)
                block = self.add(v1.Block(text=v1.Text(text=text)))
                offsets = TextOffsets()
                offsets.add(text)
                self._texts[place] = (block, offsets)
                self._spoken.append(block)
            elif part.type == "thinking":
                thought = v1.Reasoning(text=text_of(part.thinking))
                self._spoken.append(self.add(v1.Block(reasoning=thought)))
            elif isinstance(part.type, str):
                self.add(v1.Block(provider_opaque=v1.ProviderOpaque(type=part.type, data=whole(raw))))
            else:
                raise malformed()

    def add_call(self, wire: object) -> None:
        """The next call. Raises UpstreamMalformed."""
        id_, name, text = call_of(wire)
        arguments = text.encode()
        call = v1.ToolCall(id=id_ or call_id(self._response_id, self._calls), name=name, arguments_json=arguments)
        call.arguments_valid = is_json(arguments)
        self._calls += 1
        self.add(v1.Block(tool_call=call))

    def add_citation(self, citation: Citation, raw: bytes) -> None:
        """A source, at its text or apart. All content is there. Raises UpstreamMalformed."""
        found = self._texts.get(citation.content_index) if type(citation.content_index) is int else None
        if found is None and self._texts:
            found = next(iter(self._texts.values()))  # only content that holds several texts needs a place
        if found is not None and is_of_text(citation):
            block, offsets = found
            block.text.citations.extend(citations_of(citation, raw, offsets))
        else:
            for made in citations_of(citation, raw, None):
                self.add(v1.Block(citation=made))

    def add_logprobs(self, items: list[Logprobs]) -> None:
        """Log probabilities, at the texts that they are of. Those of thoughts, where they are told, have no place."""
        texts = [block for block in self._spoken if block.HasField("text")]
        if not items or not texts:
            return
        told = "".join(item.text or "" for item in items)
        of_all = told == "".join(_words(block) for block in self._spoken)
        blocks = self._spoken if of_all else texts
        at, room = 0, len(_words(blocks[0]))
        for item in items:
            while room <= 0 and at + 1 < len(blocks):
                at += 1
                room = len(_words(blocks[at]))
            room -= len(item.text or "")
            if blocks[at].HasField("text"):
                blocks[at].logprobs.extend(logprobs_of([item]))


def _words(block: v1.Block) -> str:
    return block.text.text if block.HasField("text") else block.reasoning.text
