"""OpenAI's specification and the types of its Python SDK, as judges of chat completions and embeddings.

Both have a word on requests; on answers the SDK's types alone, since the specification requires members that OpenAI
itself leaves out.
"""

import struct
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.shared import ErrorObject

from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.sdk_types import know, parse
from tests.golden.judges.specification import Patch, Specification

_SINCE: Final = "the document is of May 2026; the types of the package `openai` 3.54 have it"
_LIFETIME: Final = {"type": "string", "enum": ["30m", "12h"]}
_BREAKPOINT: Final = {
    "type": "object",
    "properties": {"mode": {"type": "string", "enum": ["explicit"]}, "ttl": _LIFETIME},
    "required": ["mode"],
}
_CACHE_OPTIONS: Final = {
    "type": "object",
    "properties": {"mode": {"type": "string", "enum": ["implicit", "explicit"]}, "ttl": _LIFETIME},
}
_EFFORT: Final = {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", None]}
_WITH_BREAKPOINTS: Final = (
    "InputTextContent",
    "InputImageContent",
    "InputFileContent",
    "InputTextContentParam",
    "InputImageContentParamAutoParam",
    "InputFileContentParam",
)

SPECIFICATION: Final = Specification(
    "openai",
    "official",
    patches=[
        Patch(at="#/components/schemas/ReasoningEffort", to=_EFFORT, why=_SINCE),
        Patch(
            at="#/components/schemas/ResponseProperties/properties/prompt_cache_options", to=_CACHE_OPTIONS, why=_SINCE
        ),
        *(
            Patch(at=f"#/components/schemas/{name}/properties/prompt_cache_breakpoint", to=_BREAKPOINT, why=_SINCE)
            for name in _WITH_BREAKPOINTS
        ),
    ],
)
CHAT: Final = "/chat/completions"
EMBEDDINGS: Final = "/embeddings"


def judge_chat(body: Mapping[str, Any]) -> None:
    """Refuses the body of a chat completion that the specification or the SDK's types of requests refuse."""
    operation = SPECIFICATION.named(CHAT)
    assert operation.body is not None
    operation.body.check(body)
    know(chat_types(body), body)


def chat_types(body: Mapping[str, Any]) -> Any:
    """The SDK's type for a request like this."""
    return CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming


class OpenAI:
    """OpenAI itself."""

    def request(self, request: Request) -> None:
        operation = SPECIFICATION.operation(request)
        if operation.path == CHAT:
            judge_chat(request["body"])
        elif operation.path == EMBEDDINGS:
            operation.check(request)
            know(EmbeddingCreateParams, request["body"])
        else:
            raise Refused(f"{operation.path} is not what this dialect asks for")

    def answer(self, request: Request, body: Any) -> None:
        if request["url"].endswith(EMBEDDINGS):
            vectors = [{**item, "embedding": _numbers(item["embedding"])} for item in body["data"]]
            parse(CreateEmbeddingResponse, {**body, "data": vectors})
        else:
            parse(ChatCompletion, body)

    def event(self, request: Request, data: Any) -> None:
        if "error" in data:
            parse(ErrorObject, data["error"])
        else:
            parse(ChatCompletionChunk, data)

    def failure(self, status: int, body: Any) -> None:
        parse(ErrorObject, body["error"])


def _numbers(embedding: Any) -> Any:
    """The numbers of a vector, which the types have as a list, where it came in base64."""
    if not isinstance(embedding, str):
        return embedding
    data = b64decode(embedding)
    return struct.unpack(f"<{len(data) // 4}f", data)


class SpeaksOpenAI(OpenAI):
    """Somebody else who speaks OpenAI's chat completions, with members of their own.

    What is left of a body without them is judged by OpenAI's own types and document.
    """

    def __init__(self, **own: str) -> None:
        self._own = own
        """Members of the body that OpenAI doesn't know -> where they are documented."""

    def request(self, request: Request) -> None:
        body = {key: value for key, value in request["body"].items() if key not in self._own}
        super().request({**request, "body": body})

    def failure(self, status: int, body: Any) -> None:
        """Everybody's errors are different, and none of them are OpenAI's."""
