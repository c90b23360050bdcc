"""OpenAI's word on those who speak its chat completions in their own ways.

What a row of the table declares as its own (Quirks) is set aside; what is left of a body is judged by OpenAI's own
document and types. So a member that is not declared is refused, wherever it stands.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.golden.judges.judge import Request
from tests.golden.judges.openai import EMBEDDINGS, SpeaksOpenAI
from trunkline_server.providers.openai.quirks import Quirks

_PARTS: Final = {"thinking": "thinking", "summary": "reasoning"}
"""By the form of thoughts that are parts of the content, the type of such a part."""
_ANY_TEXT: Final = {"type": "text", "text": "x"}


class NearTwin(SpeaksOpenAI):
    """One row's."""

    def __init__(self, quirks: Quirks) -> None:
        named = {quirks.seed, quirks.cache_key, *(name for name, _ in quirks.fixed), *quirks.reasoning.members}
        own = (named | quirks.sampling) - {"", "seed", "prompt_cache_key"} - Quirks().sampling
        if vectors := quirks.vectors:
            own |= {vectors.dimensions, vectors.dtype, vectors.task, "truncate"} - {"", "dimensions"}
        super().__init__(**dict.fromkeys(own, "the row"))
        self._quirks = quirks
        self._own_parts = {_PARTS.get(quirks.replay), quirks.documents} - {"file"}
        """Types of content parts that are the row's own."""
        if "films" in quirks.media:
            self._own_parts.add("video_url")
        if quirks.sound_as_text:
            self._own_parts.add("input_audio")

    def request(self, request: Request) -> None:
        body = request["body"]
        url = request["url"]
        if self._quirks.vectors and url.endswith(self._quirks.vectors.path):
            url = url.removesuffix(self._quirks.vectors.path) + EMBEDDINGS
        messages = [self._message(message) for message in body.get("messages", ())]
        super().request({**request, "url": url, "body": body | ({"messages": messages} if messages else {})})

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        left = {
            name: value for name, value in message.items() if name not in (self._quirks.replay, self._quirks.prefix)
        }
        if isinstance(left.get("content"), list):
            left["content"] = [self._part(part) for part in left["content"]]
        return left

    def _part(self, part: Mapping[str, Any]) -> dict[str, Any]:
        if part["type"] in self._own_parts:
            return _ANY_TEXT
        return {name: value for name, value in part.items() if name != self._quirks.cache_marks}

    def answer(self, request: Request, body: Any) -> None:
        super().answer(request, self._told(body))

    def event(self, request: Request, data: Any) -> None:
        if "error" not in data:
            super().event(request, self._told(data))

    def _told(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is told in words that are not OpenAI's is left out: they are for the golden files to judge."""
        told = {name: value for name, value in data.items() if name != "service_tier"}
        if "choices" in told:
            told["choices"] = [self._choice(choice) for choice in told["choices"] or ()]
        return told

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        own = {word for word, _ in (*self._quirks.finish_reasons, *self._quirks.failures)}
        told = dict(choice)
        if told.get("finish_reason") in own:
            told["finish_reason"] = "stop"
        for name in ("message", "delta"):
            if isinstance((said := told.get(name) or {}).get("content"), list):
                told[name] = {**said, "content": ""}
        return told
