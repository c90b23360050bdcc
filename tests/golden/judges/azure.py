"""Microsoft's specification and OpenAI's, as judges of Azure OpenAI.

Paths with a deployment in them are Microsoft's; below /openai/v1 Azure says that it speaks as OpenAI does, and its only
word there is OpenAI's own.
"""

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from openai.types.shared import ErrorObject

from tests.golden.judges import openai
from tests.golden.judges.judge import Refused, Request
from tests.golden.judges.openai import chat_types
from tests.golden.judges.openai_responses import OpenAIResponses
from tests.golden.judges.sdk_types import know, parse
from tests.golden.judges.specification import Specification

SPECIFICATION: Final = Specification("openai", "azure-preview", before="/openai")
_V1: Final = "/openai/v1/"


class Azure(OpenAIResponses):
    """Both kinds of paths."""

    def request(self, request: Request) -> None:
        split = urlsplit(request["url"])
        versions = [value for name, value in parse_qsl(split.query) if name == "api-version"]
        if _V1 in split.path:
            super().request({**request, "url": request["url"].partition("?")[0]})
            return
        if len(versions) != 1:
            raise Refused("one api-version belongs into the query")
        operation = SPECIFICATION.operation(request)
        # The vendor's client sends the model in the body too, where Azure takes no notice of it.
        body = {key: value for key, value in request["body"].items() if key != "model"}
        operation.check({**request, "body": body})
        if operation.path.endswith("/chat/completions"):
            know(chat_types(body), {"model": "in-the-url", **body})

    def event(self, request: Request, data: Any) -> None:
        if "/chat/completions" not in request["url"]:
            super().event(request, data)
            return
        # The first chunk, which tells of the prompt alone, says of itself only that it is empty.
        kind = data.get("object") or "chat.completion.chunk"
        openai.OpenAI.event(self, request, {**data, "object": kind})

    def failure(self, status: int, body: Any) -> None:
        """Errors of Azure's own have a code and a message; the others are OpenAI's."""
        parse(ErrorObject, {"param": None, **body["error"], "type": body["error"].get("type") or ""})
