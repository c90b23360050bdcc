"""The JSON Schema of a Python type, in the dialect that providers take.

1. Objects are closed: additionalProperties is false, except where the type is a map.
2. A `held` schema is one that OpenAI's strict mode and its like take: every property is required, and bounds of
   numbers, texts and lists are told in the description, since several providers refuse their keywords. What the model
   writes is checked against the type here, so the bounds hold all the same.
3. Types that JSON can't carry raise TypeError, which says what can stand there.

Types are those of msgspec: dataclasses, TypedDicts, msgspec.Structs, enums, Literal, lists, dicts, unions; and
pydantic's models, which are known by their methods: pydantic is never loaded here.
"""

import dataclasses
import datetime as dt
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from trunkline.docstrings import parameters_of, summary_of

__all__ = ["convert", "is_held", "name_of", "schema_of", "what_is_wrong"]

_REF: Final = "#/$defs/"
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_INNER: Final = ("items", "additionalProperties", "not")
_MAPS: Final = ("properties", "$defs")
_NOISE: Final = frozenset({"title", "discriminator"})
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""Those of OpenAI's strict mode."""
_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "uniqueItems": "no item twice",
    "contentEncoding": "in {}",
}
_KINDS: Final = {bool: "boolean", str: "string", int: "integer", type(None): "null"}
_UNIONS: Final = (Union, types.UnionType)
_MOMENTS: Final = {dt.datetime: "date-time", dt.time: "time"}
"""Types that msgspec takes with and without a time zone, and of which it tells no format then."""
_TYPES: Final = (
    "a dataclass, TypedDict, msgspec.Struct, pydantic model, enum, Literal, text, number, bool, list, dict, or a union "
    "that JSON can tell apart"
)


def schema_of(kind: Any, *, held: bool) -> dict[str, Any]:
    """The schema of a type. Raises TypeError for a type that has none."""
    root, definitions = _told(kind)
    shape = _Shape(definitions, held=held)
    document = shape.tidy(definitions[root["$ref"].removeprefix(_REF)] if "$ref" in root else root)
    tidied = {name: shape.tidy(definition) for name, definition in definitions.items()}
    used = _used(document, tidied)
    return document | ({"$defs": used} if used else {})


def is_held(schema: Mapping[str, Any]) -> bool:
    """Whether a provider's strict mode can hold an answer to this schema: no map, no tuple, no "anything" in it."""
    if not schema.keys() & {"type", "anyOf", "$ref", "enum"} or schema.keys() & {"prefixItems", "patternProperties"}:
        return False
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return False
    if schema.get("type") == "array" and not isinstance(schema.get("items"), Mapping):
        return False
    return all(is_held(each) for each in _children(schema))


def name_of(kind: Any) -> str:
    """The type in a word, for people."""
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def convert(value: Any, kind: Any) -> Any:
    """What JSON held, as a value of the type. Raises msgspec.ValidationError that names the path."""
    return msgspec.convert(value, kind, dec_hook=_pydantic_value)


def what_is_wrong(failure: msgspec.MsgspecError) -> tuple[str, str]:
    """The path in the JSON text ("$.places[0].city", "$" for all of it) and what is wrong there, without the value."""
    text, _, path = str(failure).rpartition(" - at ")
    text, path = (text, path.strip("`")) if text else (path, "$")
    if path.startswith("key` in `"):
        text, path = f"a key: {text}", path.removeprefix("key` in `")
    text = re.sub(r"^(a key: )?Invalid (enum )?value .*", r"\1not one of the values that can stand there", text)
    inner = re.match(r"(\$\S*): (.*)", text)  # of a pydantic model within
    return (path + inner[1][1:], inner[2]) if inner else (path, text)


def _told(kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema as the type's library tells it, and the definitions that it names, with all descriptions."""
    definitions: dict[str, Any] = {}
    hook = _pydantic_schema(definitions)
    try:
        msgspec.json.schema_components([kind], schema_hook=hook)  # complains in words before annotations are read
        classes: dict[type, None] = {}
        _classes(kind, classes)
        (root, *refs), own = msgspec.json.schema_components([kind, *classes], schema_hook=hook)
    except (TypeError, NameError) as wrong:
        raise TypeError(f"{name_of(kind)} has no JSON Schema ({str(wrong).splitlines()[-1]}); use {_TYPES}") from wrong
    except KeyError as wrong:  # msgspec's, for two that even modules don't tell apart
        raise TypeError(f"{name_of(kind)}: two types are called {name_of(wrong.args[0])}; rename one") from wrong
    if definitions.keys() & own.keys():
        raise TypeError(f"{name_of(kind)}: two types are called {min(definitions.keys() & own.keys())}; rename one")
    definitions.update(own)
    _format(root, kind)
    for cls, ref in zip(classes, refs, strict=True):
        _describe(definitions[ref["$ref"].removeprefix(_REF)], cls)
    return root, definitions


def _pydantic_schema(definitions: dict[str, Any]) -> Callable[[type], dict[str, Any]]:
    def schema(kind: type) -> dict[str, Any]:
        told: Callable[[], dict[str, Any]] | None = getattr(kind, "model_json_schema", None)
        if told is None:
            raise TypeError(f"{name_of(kind)} is not a type of JSON")
        document = told()
        for name, definition in document.pop("$defs", {}).items():
            if definitions.setdefault(name, definition) != definition:
                raise TypeError(f"two types are called {name}; rename one")
        return document

    return schema


def _pydantic_value(kind: type, value: Any) -> Any:
    read = getattr(kind, "model_validate_json", None)
    if read is None:
        raise NotImplementedError
    try:
        return read(msgspec.json.encode(value))
    except ValueError as wrong:
        # pydantic's own text quotes the value.
        first = getattr(wrong, "errors", lambda **_: [{"type": "", "loc": (), "msg": "not valid"}])(
            include_input=False
        )[0]
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        quoted = first["type"] == "union_tag_invalid"  # the one complaint of pydantic's own that quotes the value
        raise ValueError(f"${path}: {'no tag that can stand there' if quoted else first['msg']}") from None


def _classes(kind: Any, found: dict[type, None]) -> None:
    """Add the classes with fields of their own that make the type."""
    for part in get_args(kind):
        _classes(part, found)
    if isinstance(kind, type) and not get_origin(kind) and kind not in found and _has_fields(kind):
        found[kind] = None
        for hint in get_type_hints(kind, include_extras=True).values():
            _classes(hint, found)


def _has_fields(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or is_typeddict(kind) or issubclass(kind, msgspec.Struct)


def _describe(definition: dict[str, Any], cls: type) -> None:
    """Add what the class and Annotated's plain strings say."""
    if definition.get("description"):
        definition["description"] = summary_of(definition["description"])
    fields = _fields(definition, cls)
    texts = parameters_of(cls.__doc__)
    for name, hint in get_type_hints(cls, include_extras=True).items():
        text = _annotated_text(hint) or texts.get(name)
        field = fields.get(name)
        if not isinstance(field, dict):
            continue
        _format(field, hint)
        if text:
            field.setdefault("description", text)


def _fields(definition: dict[str, Any], cls: Any) -> dict[str, Any]:
    """The schemas of the fields by their names in Python. A Struct may rename them, or be an array."""
    if not issubclass(cls, msgspec.Struct):
        return definition["properties"]  # type: ignore[no-any-return]
    if "prefixItems" in definition:
        return dict(zip(cls.__struct_fields__, definition["prefixItems"], strict=True))
    names = zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)
    return {name: definition["properties"][written] for name, written in names}


def _format(schema: dict[str, Any], hint: Any) -> None:
    """Say of texts that they are moments in time, where the hint says so."""
    if get_origin(hint) is Annotated:
        if any(isinstance(each, msgspec.Meta) and each.tz is not None for each in hint.__metadata__):
            return  # msgspec told it; a moment without a time zone has no format in JSON Schema
        hint = hint.__origin__
    if isinstance(hint, type) and hint in _MOMENTS and schema.get("type") == "string":
        schema.setdefault("format", _MOMENTS[hint])
    for inner, part in _inner(schema, hint):
        _format(inner, part)


def _inner(schema: dict[str, Any], hint: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """The schemas within, each with the hints that it may be of."""
    parts = get_args(hint)
    if get_origin(hint) in _UNIONS:
        yield from ((choice, part) for choice in schema.get("anyOf", ()) for part in parts)
    elif parts:
        yield from zip(schema.get("prefixItems", ()), parts, strict=False)
        ends = {"items": parts[0], "additionalProperties": parts[-1]}
        yield from ((schema[key], part) for key, part in ends.items() if isinstance(schema.get(key), dict))


def _annotated_text(hint: Any) -> str | None:
    if get_origin(hint) is not Annotated:
        return next((text for part in get_args(hint) if (text := _annotated_text(part))), None)
    return next((text for text in hint.__metadata__ if isinstance(text, str)), None)


class _Shape:
    """Brings schemas into the form that providers take."""

    def __init__(self, definitions: Mapping[str, Any], *, held: bool) -> None:
        self._definitions = definitions
        self._held = held
        self._within: list[str] = []
        """Definitions that are being moved in."""

    def tidy(self, schema: dict[str, Any]) -> dict[str, Any]:
        node = {key: self._member(key, value) for key, value in schema.items() if key not in _NOISE}
        if "$ref" in node and len(node) > 1:
            node = self._moved_in(node)
        if "const" in node:
            node["enum"] = [node.pop("const")]
        if "enum" in node and "type" not in node and (kind := _kind_of(node["enum"])):
            node["type"] = kind
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        return self._hold(node) if self._held else node

    def _moved_in(self, node: dict[str, Any]) -> dict[str, Any]:
        """Beside a reference nothing else may stand in strict modes, so what it names moves in, once."""
        ref = node.pop("$ref")
        name = ref.removeprefix(_REF)
        if name in self._within:
            return {"$ref": ref}
        self._within.append(name)
        try:
            return self.tidy(self._definitions[name]) | node
        finally:
            self._within.pop()

    def _member(self, key: str, value: Any) -> Any:
        if key in _MAPS:
            return {name: self.tidy(each) for name, each in value.items()}
        if key in _LISTS:
            return [self.tidy(each) for each in value]
        return self.tidy(value) if key in _INNER and isinstance(value, dict) else value

    def _hold(self, node: dict[str, Any]) -> dict[str, Any]:
        node.pop("default", None)
        if "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
        if "properties" in node:
            node["required"] = list(node["properties"])
        words = [_BOUNDS[key].format(node.pop(key)) for key in [*node] if key in _BOUNDS and "prefixItems" not in node]
        if node.get("type") == "string" and node.get("format") not in {None, *_FORMATS}:
            words.append(f"a {node.pop('format')}")
        if words:
            node["description"] = " ".join(filter(None, (node.get("description"), f"({', '.join(words)})")))
        return node


def _kind_of(values: list[Any]) -> str | list[str] | None:
    kinds = sorted({_KINDS.get(type(value), "") for value in values})
    if "" in kinds:
        return None
    return kinds if len(kinds) > 1 else kinds[0]


def _children(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in _MAPS:
        yield from schema.get(key, {}).values()
    for key in _LISTS:
        yield from schema.get(key, ())
    yield from (schema[key] for key in _INNER if isinstance(schema.get(key), Mapping))


def _used(document: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that are named, also by one another."""
    used: dict[str, Any] = {}
    waiting = [document]
    while waiting:
        schema = waiting.pop()
        waiting.extend(_children(schema))
        name = schema.get("$ref", "").removeprefix(_REF)
        if name and name not in used:
            used[name] = definitions[name]
            waiting.append(definitions[name])
    return used
