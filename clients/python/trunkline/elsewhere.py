"""What names of other SDKs are called here, for the errors that wrong guesses end in.

Loaded when a guess was wrong, and never before. Nothing here makes a foreign name work: a program that was moved half
way fails where it has to be moved on, and is told to what.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["missing", "missing_from_package", "unknown_options"]

_CALL: Final = "complete(model, messages), stream(...) or, with tools that are Python functions, run(...)"
_CLIENT: Final = {
    **dict.fromkeys(("chat", "completions", "responses", "beta", "messages", "create"), _CALL),
    "parse": "complete(model, messages, output=Type)",
    "embeddings": "embed(model, inputs)",
    "with_options": "an argument of each call, such as timeout=",
}
_TYPED: Final = dict.fromkeys(("parsed", "output_parsed"), "output, after a call with output=Type")
_DUMP: Final = "google.protobuf.json_format.MessageToDict(answer.response)"
_ANSWER: Final = {
    "choices": "text, message, tool_calls and finish_reason: one answer a call",
    **dict.fromkeys(("content", "output_text"), "text"),
    **_TYPED,
    **dict.fromkeys(("id", "_request_id"), "request_id"),
    "model": "response.started.served_model, who answered, or response.finished.model, what was asked for",
    **dict.fromkeys(("model_dump", "model_dump_json", "to_dict", "to_json"), _DUMP),
}
_VECTORS: Final = {"data": "vectors; vectors[0] is a vector itself", "embedding": "vectors[0]"}
_ERROR: Final = {
    "status_code": "code, the name of the gRPC status",
    "type": "reason",
    **dict.fromkeys(("response", "headers"), "retry_after, reason, violations and request_id"),
    "body": "reason, violations and partial",
}
_MEMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Client": _CLIENT,
    "AsyncClient": _CLIENT,
    "Completion": _ANSWER,
    "Embeddings": _VECTORS,
    "TrunklineError": _ERROR,
}
"""Class -> name elsewhere -> ours."""

_PACKAGE: Final = {
    **dict.fromkeys(("OpenAI", "Trunkline", "Anthropic"), "Client"),
    **dict.fromkeys(("AsyncOpenAI", "AsyncTrunkline", "AsyncAnthropic"), "AsyncClient"),
    **dict.fromkeys(("OpenAIError", "APIError", "APIStatusError"), "TrunklineError"),
    **dict.fromkeys(("BadRequestError", "UnprocessableEntityError"), "InvalidRequest"),
    "AuthenticationError": "Unauthenticated",
    "PermissionDeniedError": "PermissionDenied",
    "NotFoundError": "NotFound",
    "ConflictError": "Aborted or AlreadyExists",
    "RateLimitError": "RateLimited",
    "InternalServerError": "Unavailable or InternalError",
    "APIConnectionError": "Unavailable",
    "APITimeoutError": "DeadlineExceeded",
    "LengthFinishReasonError": "InvalidOutput",
    "ContentFilterFinishReasonError": "InvalidOutput",
    "Timeout": "timeout=, in seconds for the whole call",
    "Message": "User, Assistant, System and ToolOutput",
    **dict.fromkeys(("Image", "File", "Media"), "pathlib.Path, or v1.Media(mime_type=..., data=...)"),
    **dict.fromkeys(("tool", "Tool"), "Function, or a Python function as it is"),
}
"""Name in another package -> ours."""

_OUTPUT: Final = "here output=Type"
_GATEWAY: Final = "nothing to set here: the gateway's operator says"
_SYSTEM: Final = "write [trunkline.System(...), trunkline.User(...)] for the messages"
_OPTIONS: Final = {
    "max_tokens": "here max_output_tokens",
    "max_completion_tokens": "here max_output_tokens",
    "functions": "here tools",
    "function_call": "here tool_choice",
    "top_logprobs": "here logprobs",
    "metadata": "here labels",
    "extra_body": "here provider_options",
    "reasoning": "here reasoning_effort",
    "parallel_tool_calls": "here tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO, parallel=False)",
    "stop_sequences": "here stop",
    **dict.fromkeys(("input", "prompt"), "here messages"),
    **dict.fromkeys(("system", "instructions"), _SYSTEM),
    **dict.fromkeys(("schema", "response_model", "output_type", "text_format"), _OUTPUT),
    "stream": "call stream() instead",
    "stream_options": "usage always comes",
    "n": "one answer a call: make several",
    **dict.fromkeys(("max_retries", "retries"), "the gateway retries within timeout="),
    **dict.fromkeys(("images", "image", "files"), "here parts of a message: User([text, pathlib.Path(...)])"),
    **dict.fromkeys(("max_iterations", "max_steps"), "here max_turns, of run()"),
    **dict.fromkeys(("user", "safety_identifier"), "here labels"),
    **dict.fromkeys(("store", "service_tier"), _GATEWAY),
    "previous_response_id": "nothing is kept between calls: send the whole conversation",
    "encoding_format": "vectors always come as bytes; dtype= is their type",
}
"""Option elsewhere -> how it is done here."""


def missing(owner: type, name: str) -> str | None:
    """What to say of an attribute that this class has not; None where nothing is known."""
    for kind in owner.__mro__:
        if ours := _MEMBERS.get(kind.__name__, {}).get(name):
            return f"{owner.__name__!r} object has no attribute {name!r}: here it is {ours}"
    return None


def missing_from_package(name: str) -> str:
    """What to say of a name that this package has not."""
    told = f"module 'trunkline' has no attribute {name!r}"
    return f"{told}: here it is {_PACKAGE[name]}" if name in _PACKAGE else told


def unknown_options(unknown: Iterable[str], known: Iterable[str]) -> TypeError:
    """The complaint about options that there are not."""
    words = list(known)
    return TypeError(f"unknown options: {', '.join(_option(name, words) for name in sorted(unknown))}")


def _option(name: str, known: list[str]) -> str:
    hint: Any = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.8)), None)
    hint = _OPTIONS.get(name) if name in _OPTIONS else hint and f"is it {hint}?"
    return f"{name} ({hint})" if hint else name
