"""A whole answer of OpenAI's chat completions as a CompleteResponse.

Blocks come in the order in which a model makes them: reasoning, text, refusal, pictures, sound, tool calls, sources of
the answer as a whole. Where the content is a list, its parts are in an order of their own, which is kept. The
transcript of sound is its text.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
from trunkline_server.providers.jsontext import is_json
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
from trunkline_server.providers.openai.thoughts import PARTS, Thought, part_type, thought_of
from trunkline_server.providers.openai.wire import Answer, Choice, Logprobs, Message, ToolCall, decode_answer

__all__ = ["call_id", "decode_response", "origin_of"]


def decode_response(body: bytes, deployment: Deployment, quirks: Quirks) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken without a finish reason, or what the body reports."""
    answer = decode_answer(body)
    if answer.error or answer.object == "error" or answer.base_resp is not None:
        _raise_reported(answer, body, quirks)
    choice = _choice(answer)
    if choice.error:
        raise reported_error(msgspec.json.encode({"error": choice.error}), quirks)
    message = choice.message
    if message is None:
        raise UpstreamMalformed("the provider sent an answer without a message")
    if not choice.finish_reason:
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    if broken := broken_reason(choice.finish_reason, quirks):
        raise broken
    response_id = answer.id if isinstance(answer.id, str) else ""
    model = answer.model if isinstance(answer.model, str) else ""
    blocks = _Blocks(choice, message, origin_of(deployment, model, quirks), response_id)
    blocks.add_sources(sources_of(answer))
    finished = ending_of(choice, quirks, refused=blocks.refused, called=blocks.called)
    usage = usage_of(answer.usage if answer.usage is not None else choice.usage, quirks)
    if usage:
        finished.usage.CopyFrom(usage)
    finished.served_model = model
    return v1.CompleteResponse(
        started=v1.Started(served_model=model, response_id=response_id),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=finished,
    )


def _raise_reported(answer: Answer, body: bytes, quirks: Quirks) -> None:
    """MiniMax tells how it went in every answer: 0 is well."""
    told = answer.base_resp
    if answer.error or answer.object == "error":
        raise reported_error(body, quirks)
    if isinstance(told, dict) and told.get("status_code"):
        raise reported_error(msgspec.json.encode({"error": told}), quirks)


def origin_of(deployment: Deployment, model: str, quirks: Quirks) -> v1.Origin:
    """Where the blocks of an answer were made."""
    return v1.Origin(provider=deployment.provider.name, model=model or deployment.upstream_model, format=quirks.format)


def call_id(response_id: str, number: int) -> str:
    """An id for a tool call that came without one: the result of the tool has to name it."""
    return f"call_{response_id}_{number}"


def _choice(answer: Answer) -> Choice:
    for choice in answer.choices or ():
        if not choice.index:
            return choice
    raise UpstreamMalformed("the provider sent an answer without a choice")


class _Blocks:
    """The blocks of one message."""

    __slots__ = ("_origin", "_texts", "_thought", "called", "made", "refused")

    def __init__(self, choice: Choice, message: Message, origin: v1.Origin, response_id: str) -> None:
        self._origin = origin
        self._thought: Thought | None = None
        """The thought that a further piece may belong to."""
        self._texts: list[str] = []
        """What of the last block's text is not in it yet, since it may go on."""
        self.made: list[v1.Block] = []
        self.called = False
        self.refused = False
        self._add_reasoning(message)
        self._add_texts(message, choice.logprobs)
        self._add_media(message)
        self._add_calls(message, response_id)
        self._end_text()

    def add_sources(self, sources: Iterable[v1.Citation]) -> None:
        """Sources of the answer as a whole."""
        for citation in sources:
            self._add(v1.Block(citation=citation))

    def _add(self, block: v1.Block) -> v1.Block:
        self._end_text()
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)
        return block

    def _end_text(self) -> None:
        text, thought = "".join(self._texts), self._thought
        self._texts, self._thought = [], None
        if thought is None:
            if text:
                self.made[-1].text.text = text
            return
        block = self.made[-1]
        if thought.is_summary:
            block.reasoning.summary = text
        else:
            block.reasoning.text = text
        block.reasoning.opaque = thought.opaque
        block.signature = thought.signature.encode()

    def _add_reasoning(self, message: Message) -> None:
        thoughts = thoughts_of(message)
        for thought in thoughts:
            self._add_thought(thought)
        if not thoughts and (text := reasoning_of(message)):
            self._add(v1.Block(reasoning=v1.Reasoning(text=text)))

    def _add_thought(self, thought: Thought) -> None:
        if self._thought and self._thought.goes_on(thought):
            self._thought.add(thought)
        else:
            self._add(thought.header)
            self._thought = thought
        self._texts.append(thought.text)

    def _add_texts(self, message: Message, logprobs: Logprobs | None) -> None:
        content, refusal, tokens = message.content, message.refusal or "", logprobs and logprobs.content
        if isinstance(content, list):
            refusal += self._add_parts(content)
        elif content or (content is not None and tokens):
            self._add(v1.Block(text=v1.Text(text=content)))
        home = self._home()
        if home is not None and tokens:
            home.logprobs.extend(token_logprobs(tokens))
        if refusal:
            self.refused = True
            block = self._add(v1.Block(text=v1.Text(text=refusal, is_refusal=True)))
            if logprobs and logprobs.refusal:
                block.logprobs.extend(token_logprobs(logprobs.refusal))
        self._add_citations(message, home)

    def _add_parts(self, parts: list[Any]) -> str:
        """The parts of a content that is a list, and what of them is refusal."""
        refusals = []
        for part in parts:
            kind = part_type(part)
            if kind == "text" and isinstance(part.get("text"), str):
                self._add_text(part["text"])
            elif kind == "refusal" and isinstance(part.get("refusal"), str):
                refusals.append(part["refusal"])
            elif kind in PARTS and (thought := thought_of(part)):
                self._add_thought(thought)
            elif kind:
                opaque = v1.ProviderOpaque(type=kind, data=msgspec.json.encode(part))
                self._add(v1.Block(provider_opaque=opaque))
        self._end_text()
        return "".join(refusals)

    def _add_text(self, text: str) -> None:
        """Texts that follow one another are one."""
        if not text:
            return
        if not (self.made and self.made[-1].HasField("text")):
            self._add(v1.Block(text=v1.Text()))
        self._texts.append(text)

    def _home(self) -> v1.Block | None:
        """The first text."""
        return next((block for block in self.made if block.HasField("text")), None)

    def _add_citations(self, message: Message, home: v1.Block | None) -> None:
        """To the text they speak of; as blocks of their own where there is no text."""
        if not message.annotations:
            return
        offsets = TextOffsets()
        offsets.add(home.text.text if home else "")
        for annotation in message.annotations:
            citation = citation_of(annotation, offsets)
            if citation is None:
                continue
            if home is None:
                self._add(v1.Block(citation=citation))
            else:
                home.text.citations.append(citation)

    def _add_media(self, message: Message) -> None:
        for item in message.images or ():
            if (picture := picture_of(item)) is not None:
                self._add(v1.Block(media=picture))
        if message.audio is None:
            return
        if message.audio.transcript:
            self._add(v1.Block(text=v1.Text(text=message.audio.transcript)))
        if message.audio.data:
            data = media_bytes(message.audio.data)
            self._add(v1.Block(media=v1.Media(mime_type=audio_type(data), data=data)))

    def _add_calls(self, message: Message, response_id: str) -> None:
        calls = message.tool_calls or []
        if message.function_call and not calls:
            calls = [ToolCall(function=message.function_call)]
        for number, call in enumerate(calls):
            name, arguments = name_of(call), arguments_of(call)
            if not name:
                raise UpstreamMalformed("the provider sent a tool call without a name")
            self.called = True
            wire = v1.ToolCall(id=call.id or call_id(response_id, number), name=name, arguments_json=arguments)
            wire.arguments_valid = is_json(arguments)
            self._add(v1.Block(tool_call=wire))
