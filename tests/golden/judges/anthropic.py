"""Anthropic's specification and the types of its Python SDK, as judges of messages and of counting."""

from typing import Any, Final

from anthropic.types import ErrorResponse, Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.sdk_types import know, parse
from tests.golden.judges.specification import Specification

SPECIFICATION: Final = Specification("anthropic", "official")
MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"


def judge_body(body: Any, *, path: str = MESSAGES) -> None:
    """Refuses what the specification or the SDK's types of requests refuse."""
    operation = SPECIFICATION.named(path)
    assert operation.body is not None
    operation.body.check(body)
    if path == COUNT:
        know(MessageCountTokensParams, body)
    else:
        know(MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming, body)


def judge_event(data: Any) -> None:
    """Refuses an event of a stream that the SDK's types refuse; "ping" and "error" are the stream's own."""
    if data.get("type") == "error":
        parse(ErrorResponse, {"request_id": None, **data})
    elif data != {"type": "ping"}:
        parse(RawMessageStreamEvent, data)


class Anthropic:
    """Anthropic itself."""

    def request(self, request: Request) -> None:
        operation = SPECIFICATION.operation(request)
        if operation.path not in (MESSAGES, COUNT):
            raise Refused(f"{operation.path} is not what this dialect asks for")
        operation.check(request)
        judge_body(request["body"], path=operation.path)

    def answer(self, request: Request, body: Any) -> None:
        parse(MessageTokensCount if request["url"].endswith(COUNT) else Message, body)

    def event(self, request: Request, data: Any) -> None:
        judge_event(data)

    def failure(self, status: int, body: Any) -> None:
        parse(ErrorResponse, {"request_id": None, **body})
