"""Python functions as tools.

1. The model is told a function's name, the first paragraph of its docstring, and a JSON Schema of its parameters, made
   of their type hints; their descriptions come from Annotated or from the docstring.
2. What can't be told is a TypeError that names the function, the parameter and the mend, before anything is sent.
3. A function is only ever called with arguments that fit its type hints. Arguments that don't are a WrongArguments
   whose text tells the model where they are wrong.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

import msgspec

from trunkline import v1
from trunkline.docstrings import parameters_of, summary_of
from trunkline.schema import convert, is_held, schema_of, what_is_wrong
from trunkline.tools import PythonTool

__all__ = ["Function", "WrongArguments", "content_of"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS: Final = {
    inspect.Parameter.VAR_POSITIONAL: "name each argument instead of *{}",
    inspect.Parameter.VAR_KEYWORD: "name each argument instead of **{}",
    inspect.Parameter.POSITIONAL_ONLY: "a model names its arguments; remove the / behind {}",
}
_BLOCKS: Final = (
    v1.Block,
    v1.Text,
    v1.Media,
    v1.Citation,
    v1.ProviderOpaque,
    PurePath,
)


class WrongArguments(ValueError):
    """The model's arguments don't fit. Its text says where, and may go to the model."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    """What the hints of a function say. It does not hold the function."""

    kind: Any
    """A msgspec.Struct of the parameters."""
    nullless: frozenset[str]
    """Parameters with a default whose type has no null: null stands for the default there."""


class Function(PythonTool):
    """A tool that is a Python function: `tools=[get_weather]` is short for `tools=[Function(get_weather)]`.

    For example:
        import trunkline

        def get_weather(city: str, days: int = 1) -> str:
            '''The weather in a city.

            :param city: Its name in English.
            :param days: How many days ahead.
            '''
            return "rain"

        client = trunkline.Client()
        forecast = trunkline.Function(get_weather, name="forecast", strict=True)
        answer = client.complete("fast", "Do I need an umbrella in Paris?", tools=[forecast])
        print([call.name for call in answer.tool_calls])
    """

    __slots__ = ("_parameters", "call")

    def __init__(
        self,
        call: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool | None = None,
    ) -> None:
        """Name and description are the function's own where they are not given.

        `strict` holds the model to the schema where the provider can do that: every parameter is then required, and
        null stands for a default. Raises TypeError for a function that can't be a tool.
        """
        if not callable(call):
            raise TypeError(f"a function, not {type(call).__name__}")
        self.call = call
        self.tool = v1.FunctionTool(name=_checked_name(call, name), strict=strict)
        self.tool.description = summary_of(_doc(call)) if description is None else description
        self._parameters = _parameters(call, self.name)
        self.tool.parameters_json_schema = msgspec.json.encode(self._schema(held=bool(strict)))

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.tool.name

    @property
    def is_coroutine(self) -> bool:
        """Whether calling it gives something to await.

        For example:
            import trunkline

            async def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."

            print(trunkline.Function(get_weather).is_coroutine)
        """
        inner = self.call.func if isinstance(self.call, partial) else self.call
        return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004 - its type

    def arguments(self, raw: bytes) -> dict[str, Any]:
        """Arguments as the model wrote them, as the function takes them. Raises WrongArguments.

        For example:
            import trunkline

            def get_weather(city: str, days: int = 1) -> str:
                '''The weather in a city.'''
                return f"Rain in {city}, for {days} days."

            print(get_weather(**trunkline.Function(get_weather).arguments(b'{"city": "Paris"}')))
        """
        try:
            given = msgspec.json.decode(raw) if raw.strip() else {}
        except (msgspec.DecodeError, RecursionError):
            raise WrongArguments("the arguments are not a JSON text") from None
        if isinstance(given, dict):
            given = {key: value for key, value in given.items() if value is not None or not self._means_default(key)}
        try:
            fitting = convert(given, self._parameters.kind)
        except msgspec.ValidationError as wrong:
            raise WrongArguments(": ".join(what_is_wrong(wrong))) from None
        values = {name: getattr(fitting, name) for name in self._parameters.kind.__struct_fields__}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}

    def _means_default(self, key: str) -> bool:
        return key in self._parameters.nullless

    def _schema(self, *, held: bool) -> dict[str, Any]:
        schema = schema_of(self._parameters.kind, held=held)
        if not held:
            return schema
        if not is_held(schema):
            raise TypeError(
                f"{self.name}: strict can't hold maps, tuples and Any; name the members, or leave strict out"
            )
        for name in self._parameters.nullless:
            schema["properties"][name] = _or_null(schema["properties"][name])
        return schema

    def __repr__(self) -> str:
        return f"Function({self.name})"


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", None)
    told = {} if description is None else {"description": description}
    return {**told, "anyOf": [schema, {"type": "null"}]}


def _checked_name(call: Callable[..., Any], name: str | None) -> str:
    found = str(name or getattr(call, "__name__", type(call).__name__))
    if not _NAME.fullmatch(found):
        raise TypeError(
            f"{found}: a tool's name has 1 to 64 letters, digits, _ and -; give one: Function(call, name=...)"
        )
    return found


def _doc(call: Callable[..., Any]) -> str | None:
    """Its own docstring; that of a partial is its function's, that of an object its class's."""
    inner = call.func if isinstance(call, partial) else call
    return inspect.getdoc(inner)


_KNOWN: Final[WeakKeyDictionary[Any, _Parameters]] = WeakKeyDictionary()
"""What was read of functions that are still there. Methods are read anew: each access makes another object."""


def _parameters(call: Callable[..., Any], name: str) -> _Parameters:
    known = _KNOWN.get(call) if inspect.isfunction(call) else None
    if known is None:
        known = _read(call, name)
        if inspect.isfunction(call):
            _KNOWN[call] = known
    return known


def _read(call: Callable[..., Any], name: str) -> _Parameters:
    try:
        signature = inspect.signature(call, eval_str=True)
    except NameError as wrong:
        raise TypeError(f"{name}: a type hint names {wrong.name}, which its module does not have") from wrong
    texts = parameters_of(_doc(call))
    fields = [_field(parameter, name, texts) for parameter in signature.parameters.values()]
    kind = msgspec.defstruct(name.replace("-", "_"), fields, forbid_unknown_fields=True, kw_only=True)
    # `None` in the hints of a parameter may be behind an alias; what a null converts to tells.
    optional = [each for each in signature.parameters.values() if each.default is not each.empty]
    return _Parameters(
        kind=kind, nullless=frozenset(each.name for each in optional if not _takes_null(each.annotation))
    )


def _takes_null(hint: Any) -> bool:
    try:
        convert(None, hint)
    except (msgspec.ValidationError, NotImplementedError):
        return False
    return True


def _field(parameter: inspect.Parameter, function: str, texts: Mapping[str, str]) -> tuple[str, Any, Any]:
    place = f"{function}: parameter {parameter.name}"
    if parameter.kind in _KINDS:
        raise TypeError(f"{place}: {_KINDS[parameter.kind].format(parameter.name)}")
    if parameter.name.startswith("__"):
        raise TypeError(f"{place}: rename it; Python hides names that begin so")
    hint = parameter.annotation
    if hint is parameter.empty:
        raise TypeError(f"{place}: give it a type hint; the model is told of it")
    try:
        schema_of(hint, held=False)
    except TypeError as wrong:
        raise TypeError(f"{place}: {wrong}") from wrong
    extra = _extra(hint, texts.get(parameter.name), parameter.default)
    if extra:
        hint = Annotated[hint, msgspec.Meta(**extra)]
    if parameter.default is parameter.empty:
        return parameter.name, hint, msgspec.NODEFAULT
    return parameter.name, hint | msgspec.UnsetType, msgspec.UNSET


def _extra(hint: Any, told: str | None, default: Any) -> dict[str, Any]:
    """What the schema says beside the type."""
    own = [text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)]
    described = any(isinstance(each, msgspec.Meta) and each.description for each in getattr(hint, "__metadata__", ()))
    text = None if described else next(iter(own), told)
    shown = default is not inspect.Parameter.empty and isinstance(default, str | int | float | None)
    return {
        **({"description": text} if text else {}),
        **({"extra_json_schema": {"default": default}} if shown else {}),
    }


def content_of(value: Any) -> Any:
    """What a tool gave back, as the content of a message.

    Texts, blocks, media and paths, and lists with at least one of the latter, are content as they are. All else is
    told in JSON. Raises TypeError for what JSON can't carry.
    """
    if isinstance(value, (str, *_BLOCKS)):
        return value
    if isinstance(value, list | tuple) and any(isinstance(each, _BLOCKS) for each in value):
        return list(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes have no kind; return text, or v1.Media(mime_type=..., data=...)")
    return msgspec.json.encode(value, enc_hook=_pydantic_members).decode()


def _pydantic_members(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__name__} can't be told in JSON")
    return dump(mode="json")
