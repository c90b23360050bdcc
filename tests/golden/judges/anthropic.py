"""Anthropic's specification and the types of its Python SDK, as judges of messages and of counting.

A request that names betas in its headers is judged by the operations and types that the vendor has for these.
"""

from typing import Any, Final

from anthropic.types import ErrorResponse, Message, MessageTokensCount, RawMessageStreamEvent, beta
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_params
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.sdk_types import know, parse
from tests.golden.judges.specification import Patch, Specification

_SCHEMAS: Final = "#/components/schemas/"
_FILES: Final = "Files left beta since: the SDK's types have them for everybody (2.12)."

SPECIFICATION: Final = Specification(
    "anthropic",
    "official",
    patches=(
        Patch(
            at=f"{_SCHEMAS}RequestImageBlock/properties/source",
            to={"$ref": f"{_SCHEMAS}BetaRequestImageBlock/properties/source"},
            why=_FILES,
        ),
        Patch(
            at=f"{_SCHEMAS}RequestDocumentBlock/properties/source",
            to={"$ref": f"{_SCHEMAS}BetaRequestDocumentBlock/properties/source"},
            why=_FILES,
        ),
    ),
)
MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"
_BETA: Final = "?beta=true"
_OLDER: Final = frozenset({"temperature", "top_k", "top_p"})
"""What the specification has and the SDK's types have no more (2.12), since the newest models refuse it."""


def judge_body(body: Any, *, path: str = MESSAGES, betas: bool = False) -> None:
    """Refuses what the specification or the SDK's types of requests refuse."""
    operation = SPECIFICATION.named(path + _BETA if betas else path)
    assert operation.body is not None
    operation.body.check(body)
    know(_kind(path, betas, bool(body.get("stream"))), {k: v for k, v in body.items() if k not in _OLDER})


def _kind(path: str, betas: bool, stream: bool) -> Any:
    if path == COUNT:
        return beta_count_params.MessageCountTokensParams if betas else MessageCountTokensParams
    if betas:
        return beta_params.MessageCreateParamsStreaming if stream else beta_params.MessageCreateParamsNonStreaming
    return MessageCreateParamsStreaming if stream else MessageCreateParamsNonStreaming


def judge_answer(body: Any, *, betas: bool = False) -> None:
    """Refuses a message that the SDK's types refuse."""
    parse(beta.BetaMessage if betas else Message, body)


def judge_event(data: Any, *, betas: bool = False) -> None:
    """Refuses an event of a stream that the SDK's types refuse; "ping" and "error" are the stream's own."""
    if data.get("type") == "error":
        parse(ErrorResponse, {"request_id": None, **data})
    elif data != {"type": "ping"}:
        parse(beta.BetaRawMessageStreamEvent if betas else RawMessageStreamEvent, data)


class Anthropic:
    """Anthropic itself."""

    def request(self, request: Request) -> None:
        operation = SPECIFICATION.operation(request)
        if operation.path not in (MESSAGES, COUNT):
            raise Refused(f"{operation.path} is not what this dialect asks for")
        betas = has_betas(request)
        operation.check_head(request)
        judge_body(request["body"], path=operation.path, betas=betas)

    def answer(self, request: Request, body: Any) -> None:
        if request["url"].endswith(COUNT):
            parse(MessageTokensCount, body)
        else:
            judge_answer(body, betas=has_betas(request))

    def event(self, request: Request, data: Any) -> None:
        judge_event(data, betas=has_betas(request))

    def failure(self, status: int, body: Any) -> None:
        parse(ErrorResponse, {"request_id": None, **body})


def has_betas(request: Request) -> bool:
    """Whether it asks for what is not yet for everybody."""
    return "anthropic-beta" in request["headers"] or "anthropic_beta" in request["body"]
