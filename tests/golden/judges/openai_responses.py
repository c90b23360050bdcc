"""OpenAI's specification and the types of its Python SDK, as judges of the Responses API."""

from typing import Any, Final

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from openai.types.shared import ErrorObject

from tests.golden.judges import openai
from tests.golden.judges.judge import Request
from tests.golden.judges.sdk_types import know, parse

RESPONSES: Final = "/responses"
COUNT: Final = "/responses/input_tokens"


class OpenAIResponses(openai.OpenAI):
    """OpenAI itself; embeddings are those of chat completions."""

    def request(self, request: Request) -> None:
        operation = openai.SPECIFICATION.operation(request)
        body = request["body"]
        if operation.path == RESPONSES:
            operation.check(request)
            know(ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming, body)
        elif operation.path == COUNT:
            operation.check(request)
            know(InputTokenCountParams, body)
        else:
            super().request(request)

    def answer(self, request: Request, body: Any) -> None:
        if request["url"].endswith(COUNT):
            parse(InputTokenCountResponse, body)
        elif request["url"].endswith(RESPONSES):
            parse(Response, body)
        else:
            super().answer(request, body)

    def event(self, request: Request, data: Any) -> None:
        parse(ErrorObject if "error" in data and "type" not in data else ResponseStreamEvent, data)
