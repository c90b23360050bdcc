"""A whole answer of Converse as a CompleteResponse. Blocks keep the order in which the provider gave them.

1. A text and the text of citationsContent are both Text, the latter with its sources.
2. What Bedrock's own tools were asked and gave, and blocks that are newer than this, are ProviderOpaque: `type` is the
   member of the content block and `data` its value, so that it can be sent back.

The id of the answer stands in a header (x-amzn-requestid) and not in the body, so `response_id` is empty.
"""

from typing import Final

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.bedrock.pieces import (
    ANSWER_TOOL,
    FORMAT,
    citation_of,
    ending_of,
    media_of,
    server_result,
    server_use,
    usage_of,
)
from trunkline_server.providers.bedrock.wire import Answer, Cited, Content, Reasoning, ToolUse, members, read
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
from trunkline_server.providers.jsontext import is_json

__all__ = ["decode_response"]

_MEDIA: Final = ("image", "audio", "video", "document")


def decode_response(body: bytes, deployment: Deployment) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, or UpstreamBroken without a finish reason."""
    answer = read(Answer, body)
    message = answer.output.message if answer.output else None
    if message is None:
        raise UpstreamMalformed("the provider sent an answer without a message")
    if not answer.stopReason:
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    origin = v1.Origin(provider=deployment.provider.name, model=deployment.upstream_model, format=FORMAT)
    blocks = _Blocks(origin)
    for raw in message.content or ():
        blocks.read(raw)
    fields = answer.additionalModelResponseFields
    finished = ending_of(answer.stopReason, fields, answer.trace, answered=blocks.answered, called=blocks.called)
    if usage := usage_of(answer.usage):
        finished.usage.CopyFrom(usage)
    return v1.CompleteResponse(
        started=v1.Started(),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=finished,
    )


class _Blocks:
    """The blocks of one message."""

    __slots__ = ("_origin", "answered", "called", "made")

    def __init__(self, origin: v1.Origin) -> None:
        self._origin = origin
        self.made: list[v1.Block] = []
        self.answered = False
        self.called = False

    def read(self, raw: msgspec.Raw) -> None:
        """One content block. Raises UpstreamMalformed."""
        content = read(Content, raw)
        if content.text is not None:
            if content.text:
                self._add(v1.Block(text=v1.Text(text=content.text)))
        elif content.toolUse:
            self._call(content.toolUse)
        elif content.reasoningContent:
            self._reason(content.reasoningContent)
        elif content.citationsContent:
            self._cite(content.citationsContent)
        elif content.toolResult:
            result = content.toolResult
            self._opaque("toolResult", server_result(result, result.content or []))
        elif not self._medium(content):
            for kind, value in members(raw).items():  # a union: there is one
                self._opaque(kind, bytes(value))

    def _add(self, block: v1.Block) -> None:
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)

    def _opaque(self, kind: str, data: bytes) -> None:
        self._add(v1.Block(provider_opaque=v1.ProviderOpaque(type=kind, data=data)))

    def _call(self, wire: ToolUse) -> None:
        arguments = bytes(wire.input) or b"{}"
        if wire.type is not None:
            self._opaque("toolUse", server_use(wire, arguments))
            return
        if not wire.name or not wire.toolUseId:
            raise UpstreamMalformed("the provider sent a tool call without a name or id")
        if wire.name == ANSWER_TOOL:
            self.answered = True
            self._add(v1.Block(text=v1.Text(text=arguments.decode("utf-8", "replace"))))
            return
        self.called = True
        call = v1.ToolCall(id=wire.toolUseId, name=wire.name, arguments_json=arguments)
        call.arguments_valid = is_json(arguments)
        self._add(v1.Block(tool_call=call))

    def _reason(self, wire: Reasoning) -> None:
        if wire.reasoningText:
            text = wire.reasoningText
            signature = (text.signature or "").encode()
            self._add(v1.Block(reasoning=v1.Reasoning(text=text.text), signature=signature))
        elif wire.redactedContent is not None:
            self._add(v1.Block(reasoning=v1.Reasoning(redacted=True, opaque=wire.redactedContent.encode())))

    def _cite(self, wire: Cited) -> None:
        text = "".join(piece.text or "" for piece in wire.content or ())
        citations = [citation_of(raw) for raw in wire.citations or ()]
        if text or citations:
            self._add(v1.Block(text=v1.Text(text=text, citations=citations)))

    def _medium(self, content: Content) -> bool:
        for kind in _MEDIA:
            wire = getattr(content, kind)
            if wire and (media := media_of(kind, wire)):
                self._add(v1.Block(media=media))
                return True
        return False
