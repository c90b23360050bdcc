"""OpenAI's own request types as the judge of what is sent."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

_PARAMS: Final = {
    False: TypeAdapter(CompletionCreateParamsNonStreaming),
    True: TypeAdapter(CompletionCreateParamsStreaming),
}


def read_out(value: Any) -> Any:
    """What pydantic made of it, with the iterables that it checks only while they are read."""
    if isinstance(value, Mapping):
        return {key: read_out(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [read_out(item) for item in value]
    return value


def judge_request(body: dict[str, Any]) -> None:
    """Fails if the vendor's request types refuse a member or don't know it: what they don't know they drop."""
    assert read_out(_PARAMS[body.get("stream", False)].validate_python(body)) == body
