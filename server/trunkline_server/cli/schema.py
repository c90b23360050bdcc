"""Whether an answer is the JSON that was asked for.

It judges by what structured answers are made of: type, enum, const, properties, required, additionalProperties, items,
anyOf and references within the schema. Other words of JSON Schema are the provider's to hold to.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from trunkline_server.cli.inputs import from_file

__all__ = ["Misfit", "fitting", "format_of"]

MAX_DEPTH: Final = 100
"""Deeper schemas and answers are not judged: a reference may go round in a circle."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


class Misfit(Exception):
    """The answer is not what was asked for. Its text says where and why."""


def format_of(path: str) -> tuple[dict[str, Any], Any]:
    """The form of the answer as the client takes it, and the schema. Raises click.UsageError."""
    text = from_file(Path(path))
    try:
        schema = json.loads(text)
    except ValueError as wrong:
        raise click.UsageError(f"{path} is no JSON: {wrong}") from None
    if not isinstance(schema, dict):
        raise click.UsageError(f"{path}: a JSON Schema is an object")
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in Path(path).stem)
    return {"name": name[:64] or "answer", "schema": schema}, schema


def fitting(text: str, schema: Any) -> Any:
    """The value that the answer is. Raises Misfit."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise Misfit(f"the answer is no JSON: {wrong}") from None
    for misfit in _misfits(value, schema, "$", schema, MAX_DEPTH):
        raise Misfit(f"the answer does not fit the schema: {misfit}")
    return value


def _misfits(value: Any, schema: Any, place: str, root: Any, depth: int) -> Iterator[str]:
    """What does not fit, in words."""
    if depth == 0 or not isinstance(schema, dict):
        if schema is False:
            yield f"{place}: nothing may be here"
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _misfits(value, _referred(root, reference), place, root, depth - 1)
    yield from _misfits_of_value(value, schema, place)
    choices = schema.get("anyOf") or schema.get("oneOf") or []
    if choices and all(any(_misfits(value, each, place, root, depth - 1)) for each in choices):
        yield f"{place}: fits none of {len(choices)} choices"
    if isinstance(value, dict):
        yield from _misfits_of_object(value, schema, place, root, depth)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _misfits(item, schema["items"], f"{place}[{index}]", root, depth - 1)


def _misfits_of_value(value: Any, schema: dict[str, Any], place: str) -> Iterator[str]:
    wanted = schema.get("type", [])
    types = [wanted] if isinstance(wanted, str) else wanted
    if types and not any(_is(value, kind) for kind in types):
        yield f"{place}: {' or '.join(types)} is wanted, {_name(value)} came"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: one of {json.dumps(schema['enum'])} is wanted"
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {json.dumps(schema['const'])} is wanted"


def _misfits_of_object(
    value: dict[str, Any], schema: dict[str, Any], place: str, root: Any, depth: int
) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name} is missing"
    for name, member in value.items():
        inner = known.get(name, schema.get("additionalProperties", True))
        yield from _misfits(member, inner, f"{place}.{name}", root, depth - 1)


def _is(value: Any, kind: str) -> bool:
    known = _TYPES.get(kind)
    if known is None:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, known) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _name(value: Any) -> str:
    return next(kind for kind in _TYPES if _is(value, kind))


def _referred(root: Any, reference: str) -> Any:
    """What a JSON pointer within the schema leads to; anything fits what is not there."""
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return True
        found = found[name]
    return found
