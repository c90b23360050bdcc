"""Google's discovery documents as judges of requests, and the types of its Python SDK as judges of answers.

The SDK's types refuse what they don't know, so that answers are judged as strictly as requests.
"""

from typing import Any, Final

from google.genai import types

from tests.golden.judges import anthropic
from tests.golden.judges.discovery import openapi
from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.sdk_types import parse
from tests.golden.judges.specification import Patch, Specification

_SCHEMAS: Final = "#/components/schemas/"
_STREAMED: Final = frozenset({"alt"})
_DATA: Final = frozenset(
    {
        *("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"),
        *("codeExecutionResult", "toolCall", "toolResponse"),
    }
)
_IN_URL: Final = "The model stands in the URL; the documentation's own examples leave it out of the body."

GEMINI: Final = Specification(
    "gemini",
    "official",
    convert=openapi,
    more_query=_STREAMED,
    patches=(
        Patch(
            at=f"{_SCHEMAS}MediaResolution",
            to={"type": "object", "properties": {"level": {"type": "string"}}},
            why="The document refers to it and doesn't have it; Vertex's and the SDK's have this member.",
        ),
        Patch(at=f"{_SCHEMAS}GenerateContentRequest/required", to=["contents"], why=_IN_URL),
        Patch(
            at=f"{_SCHEMAS}FunctionDeclaration/required",
            to=["name"],
            why="Vertex, which has the same models, says Optional, and the SDK's type has None.",
        ),
    ),
)
VERTEX: Final = Specification(
    "vertex",
    "official",
    convert=openapi,
    more_query=_STREAMED,
)


class Gemini:
    """The Gemini API."""

    specification = GEMINI
    verbs = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")

    def request(self, request: Request) -> None:
        operation = self.specification.operation(request)
        if operation.path.rpartition(":")[2] not in self.verbs:
            raise Refused(f"{operation.path} is not what this dialect asks for")
        operation.check(request)
        _judge_parts(request["body"])
        if (operation.path.endswith(":streamGenerateContent")) != ("alt=sse" in request["url"]):
            raise Refused("alt=sse belongs to streamGenerateContent: without it a JSON array is streamed")

    def answer(self, request: Request, body: Any) -> None:
        kinds = {
            "countTokens": types.CountTokensResponse,
            "embedContent": types.EmbedContentResponse,
            "batchEmbedContents": types.EmbedContentResponse,
        }
        parse(kinds.get(_verb(request), types.GenerateContentResponse), _without_tier(body))

    def event(self, request: Request, data: Any) -> None:
        if "error" in data:
            self.failure(data["error"]["code"], data)
        else:
            parse(types.GenerateContentResponse, _without_tier(data))

    def failure(self, status: int, body: Any) -> None:
        """google.rpc.Status in JSON. The SDK has no type for it; it reads these members."""
        error = body["error"]
        if not (error["code"] == status and isinstance(error["message"], str) and isinstance(error["status"], str)):
            raise Refused("not a google.rpc.Status with the HTTP status as its code")


class Vertex(Gemini):
    """Vertex AI: Google's models, and Anthropic's, which have a path and a body of their own."""

    specification = VERTEX
    verbs = (*Gemini.verbs, "predict", "rawPredict", "streamRawPredict")

    def request(self, request: Request) -> None:
        if _verb(request) not in ("rawPredict", "streamRawPredict"):
            super().request(request)
            return
        self.specification.operation(request)
        body = dict(request["body"])
        if body.pop("anthropic_version", None) != "vertex-2023-10-16" or "model" in body:
            raise Refused("a message to Claude on Vertex names its version, and no model")
        betas = anthropic.has_betas(request)
        body.pop("anthropic_beta", None)
        anthropic.judge_body({"model": "in-the-url", **body}, betas=betas)

    def answer(self, request: Request, body: Any) -> None:
        if _verb(request) == "rawPredict":
            anthropic.judge_answer(body, betas=anthropic.has_betas(request))
        elif _verb(request) != "predict":
            super().answer(request, body)

    def event(self, request: Request, data: Any) -> None:
        if _verb(request) == "streamRawPredict":
            anthropic.judge_event(data, betas=anthropic.has_betas(request))
        else:
            super().event(request, data)


def _without_tier(body: Any) -> Any:
    """The answer less usageMetadata.serviceTier, which the discovery document has and the SDK's type (3.4) has not."""
    if "usageMetadata" not in body:
        return body
    usage = {key: value for key, value in body["usageMetadata"].items() if key != "serviceTier"}
    return {**body, "usageMetadata": usage}


def _verb(request: Request) -> str:
    return str(request["url"].partition("?")[0].rpartition(":")[2])


def _judge_parts(node: Any) -> None:
    """Refuses a part with two kinds of data, or none: "Union field `data`", for which the schema has no word."""
    if isinstance(node, dict):
        parts = node.get("parts")
        for part in parts if isinstance(parts, list) else ():
            if len(part.keys() & _DATA) != 1:
                raise Refused(f"a part has one kind of data, not {sorted(part)}")
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _judge_parts(each)
