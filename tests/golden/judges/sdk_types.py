"""A vendor's own SDK types as a judge."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.golden.judges.judge import Refused


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: Any, value: Any) -> Any:
    """The value as that type. Raises Refused if a member that the type knows is wrong."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise Refused(str(error)[:2000]) from error


def know(kind: Any, body: Any) -> None:
    """Raises Refused if a type of requests refuses a member or does not know it: what it does not know it drops."""
    try:
        read = _read_out(parse(kind, body))
    except ValidationError as error:
        raise Refused(str(error)[:2000]) from error
    if read != body:
        raise Refused(f"{getattr(kind, '__name__', kind)} does not know {_dropped(body, read)}")


def _read_out(value: Any) -> Any:
    """What pydantic made of it, with the iterables that it checks only while they are read."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _read_out(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_read_out(item) for item in value]
    return value


def _dropped(body: Any, read: Any, at: str = "$") -> str:
    """Where the first difference is."""
    if isinstance(body, dict) and isinstance(read, dict):
        for key, value in body.items():
            if key not in read:
                return f"{at}.{key}"
            if value != read[key]:
                return _dropped(value, read[key], f"{at}.{key}")
    if isinstance(body, list) and isinstance(read, list) and len(body) == len(read):
        for index, (value, other) in enumerate(zip(body, read, strict=True)):
            if value != other:
                return _dropped(value, other, f"{at}[{index}]")
    return f"{at} as it is"
