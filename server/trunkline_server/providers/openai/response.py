"""A whole answer of OpenAI's chat completions as a CompleteResponse.

Blocks come in the order in which a model makes them: reasoning, text, refusal, sound, tool calls. The transcript of
sound is its text.
"""

from trunkline import v1
from trunkline_server.core.deployment import Deployment
from trunkline_server.core.errors import UpstreamBroken, UpstreamMalformed
from trunkline_server.providers.events import MAX_BLOCKS, too_many_blocks
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
from trunkline_server.providers.openai.wire import Answer, Choice, Message, ToolCall, decode_answer

__all__ = ["call_id", "decode_response", "origin_of"]


def decode_response(body: bytes, deployment: Deployment, quirks: Quirks) -> v1.CompleteResponse:
    """The answer. Raises UpstreamMalformed, UpstreamBroken without a finish reason, or what the body reports."""
    answer = decode_answer(body)
    if answer.error or answer.object == "error":
        raise reported_error(body)
    choice = _choice(answer)
    message = choice.message
    if message is None:
        raise UpstreamMalformed("the provider sent an answer without a message")
    if not choice.finish_reason:
        raise UpstreamBroken("the provider sent an answer that does not say how it ended")
    response_id = answer.id if isinstance(answer.id, str) else ""
    model = answer.model if isinstance(answer.model, str) else ""
    blocks = _Blocks(choice, origin_of(deployment, model), response_id)
    finished = ending_of(choice, quirks, refused=blocks.refused, called=blocks.called)
    usage = usage_of(answer.usage if answer.usage is not None else choice.usage)
    if usage:
        finished.usage.CopyFrom(usage)
    finished.served_model = model
    return v1.CompleteResponse(
        started=v1.Started(served_model=model, response_id=response_id),
        message=v1.Message(role=v1.ROLE_ASSISTANT, blocks=blocks.made),
        finished=finished,
    )


def origin_of(deployment: Deployment, model: str) -> v1.Origin:
    """Where the blocks of an answer were made."""
    return v1.Origin(provider=deployment.provider.name, model=model or deployment.upstream_model, format="openai")


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

    __slots__ = ("_origin", "called", "made", "refused")

    def __init__(self, choice: Choice, origin: v1.Origin, response_id: str) -> None:
        self._origin = origin
        self.made: list[v1.Block] = []
        self.called = False
        self.refused = False
        if choice.message is None:
            return
        self._add_reasoning(choice.message)
        self._add_texts(choice, choice.message)
        self._add_audio(choice.message)
        self._add_calls(choice.message, response_id)

    def _add(self, block: v1.Block) -> v1.Block:
        if len(self.made) == MAX_BLOCKS:
            raise too_many_blocks()
        block.origin.CopyFrom(self._origin)
        self.made.append(block)
        return block

    def _add_reasoning(self, message: Message) -> None:
        if thought := reasoning_of(message):
            self._add(v1.Block(reasoning=v1.Reasoning(text=thought)))

    def _add_texts(self, choice: Choice, message: Message) -> None:
        text, refusal = text_of(message)
        logprobs = choice.logprobs
        if text or (text is not None and logprobs and logprobs.content):
            block = self._add(v1.Block(text=v1.Text(text=text)))
            if logprobs and logprobs.content:
                block.logprobs.extend(token_logprobs(logprobs.content))
        if refusal:
            self.refused = True
            block = self._add(v1.Block(text=v1.Text(text=refusal, is_refusal=True)))
            if logprobs and logprobs.refusal:
                block.logprobs.extend(token_logprobs(logprobs.refusal))
        self._add_citations(message, text or "")

    def _add_citations(self, message: Message, text: str) -> None:
        """To the text they speak of; as blocks of their own where there is no text."""
        if not message.annotations:
            return
        offsets = TextOffsets()
        offsets.add(text)
        home = next((block.text for block in self.made if block.HasField("text") and not block.text.is_refusal), None)
        for annotation in message.annotations:
            citation = citation_of(annotation, offsets)
            if citation is None:
                continue
            if home is None:
                self._add(v1.Block(citation=citation))
            else:
                home.citations.append(citation)

    def _add_audio(self, message: Message) -> None:
        if message.audio is None:
            return
        if message.audio.transcript:
            self._add(v1.Block(text=v1.Text(text=message.audio.transcript)))
        if message.audio.data:
            data = audio_bytes(message.audio.data)
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
