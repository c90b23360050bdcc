"""Cohere's specification as judge of requests, and the types of its Python SDK as judges of answers."""

from typing import Any, Final

from cohere.types import EmbedByTypeResponse
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse

from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.sdk_types import parse
from tests.golden.judges.specification import Patch, Specification

_BY_TYPE: Final = "the discriminator of Source; types/citation.py of the `cohere` package, 7.3, has it in both"

SPECIFICATION: Final = Specification(
    "cohere",
    "official",
    patches=(
        Patch(at="#/components/schemas/ChatToolSource/properties/type", to={"enum": ["tool"]}, why=_BY_TYPE),
        Patch(at="#/components/schemas/ChatDocumentSource/properties/type", to={"enum": ["document"]}, why=_BY_TYPE),
    ),
)
CHAT: Final = "/v2/chat"
EMBED: Final = "/v2/embed"


class Cohere:
    """Version 2 of Cohere's API."""

    def request(self, request: Request) -> None:
        operation = SPECIFICATION.operation(request)
        if operation.path not in (CHAT, EMBED):
            raise Refused(f"{operation.path} is not what this dialect asks for")
        operation.check(request)

    def answer(self, request: Request, body: Any) -> None:
        parse(EmbedByTypeResponse if request["url"].endswith(EMBED) else V2ChatResponse, body)

    def event(self, request: Request, data: Any) -> None:
        parse(V2ChatStreamResponse, data)

    def failure(self, status: int, body: Any) -> None:
        if not isinstance(body["message"], str):
            raise Refused("Cohere's errors have a message")
