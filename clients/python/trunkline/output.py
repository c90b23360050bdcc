"""Answers as values of a Python type.

1. The model is asked for JSON that fits the type's schema, strictly where the type allows it; what it writes is checked
   against the type here in any case.
2. What is not an object (int, list[Place]) is asked for as {"value": ...} and unwrapped.
3. An answer that is no such value is an InvalidOutput, which names the path and never quotes the answer.
"""

import functools
import re
from typing import Any, Final, Generic, TypeVar

import msgspec

from trunkline import v1
from trunkline.completion import Completion
from trunkline.errors import InvalidOutput
from trunkline.schema import convert, is_held, name_of, schema_of, what_is_wrong

__all__ = ["Output", "output_of"]

T = TypeVar("T")
KEPT_TYPES: Final = 128
"""Types whose schemas are kept; beyond it the longest unused is made anew."""
_MOST_NAME: Final = 64
_REFUSED: Final = frozenset({v1.FINISH_REASON_REFUSAL, v1.FINISH_REASON_CONTENT_FILTER})
_CUT: Final = frozenset({v1.FINISH_REASON_LENGTH, v1.FINISH_REASON_CONTEXT_WINDOW, v1.FINISH_REASON_STOP_SEQUENCE})


class Output(Generic[T]):
    """How to ask for a value of a type, and how to read it."""

    __slots__ = ("_kind", "_name", "_wrapped", "format")

    def __init__(self, kind: type[T]) -> None:
        """Raises TypeError for a type that JSON can't carry."""
        self._name = name_of(kind)
        self._kind: Any = kind
        try:
            schema = schema_of(kind, held=True)
            self._wrapped = schema.get("type") != "object"
            if self._wrapped:
                self._kind = msgspec.defstruct("Answer", [("value", kind)])
                schema = schema_of(self._kind, held=True)
        except TypeError as wrong:
            raise TypeError(f"output: {wrong}") from wrong
        self.format = _format(self._name, schema)

    def read(self, completion: Completion[Any]) -> T:
        """The value that the answer is. Raises InvalidOutput."""
        refused = any(block.text.is_refusal for block in completion.message.blocks)
        if refused or completion.finish_reason in _REFUSED:
            told = completion.response.finished.native_finish_reason
            raise _invalid(completion, "REFUSED", f"the model or its provider declined to answer ({told or 'refusal'})")
        if completion.tool_calls and not completion.text:
            raise _invalid(completion, "INVALID", "the answer asks for tools and holds no value yet")
        try:
            value = convert(msgspec.json.decode(completion.text), self._kind)
        except (msgspec.MsgspecError, RecursionError) as wrong:
            raise self._complaint(completion, wrong) from None
        return value.value if self._wrapped else value  # type: ignore[no-any-return]

    def _complaint(self, completion: Completion[Any], wrong: Exception) -> InvalidOutput:
        if completion.finish_reason in _CUT:
            word = v1.FinishReason.Name(completion.finish_reason).removeprefix("FINISH_REASON_")
            return _invalid(completion, "CUT", f"the answer was cut ({word}) before the {self._name} in it was whole")
        if not isinstance(wrong, msgspec.ValidationError):
            return _invalid(completion, "INVALID", f"the answer is no JSON text, where a {self._name} was asked for")
        path, text = what_is_wrong(wrong)
        return _invalid(completion, "INVALID", f"the answer is not a {self._name}: {path}: {text}", path)


def _invalid(completion: Completion[Any], word: str, message: str, path: str = "") -> InvalidOutput:
    return InvalidOutput(message, reason=f"OUTPUT_{word}", completion=completion, path=path)


def _format(name: str, schema: dict[str, Any]) -> v1.ResponseFormat:
    description = schema.pop("description", "")
    wanted = v1.JsonSchemaFormat(
        name=name if re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= _MOST_NAME else "answer",
        description=description,
        schema=msgspec.json.encode(schema),
    )
    if is_held(schema):
        wanted.strict = True
    return v1.ResponseFormat(json_schema=wanted)


def output_of(kind: type[T]) -> Output[T]:
    """The same Output for the same type, as far as types can be told apart."""
    try:
        hash(kind)
    except TypeError:  # Annotated with something that can't be hashed
        return Output(kind)
    hashable: Any = kind
    return _kept(hashable)


@functools.lru_cache(maxsize=KEPT_TYPES)
def _kept(kind: Any) -> Output[Any]:
    return Output(kind)
