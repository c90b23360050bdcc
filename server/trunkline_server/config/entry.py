"""What all parts of trunkline.yaml are made of: kinds of values, and how an entry is read."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from trunkline_server.config.file import Tree
from trunkline_server.config.interpolate import Filled
from trunkline_server.config.problems import Where, did_you_mean, explain, wrong

MAX_DIGITS: Final = 18

_Entry = TypeVar("_Entry", bound=BaseModel)
_Item = TypeVar("_Item")


def _check_line(text: str) -> str:
    if not text.isprintable():
        raise wrong("holds characters that can't be printed", "Write it in one line, without control characters")
    return text


def _filled_number(value: object) -> object:
    # What comes from a variable is text; what was written as text stays text and is refused.
    if isinstance(value, Filled) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        return int(value)
    return value


def _filled_truth(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, Filled) else value


def _listed(value: object) -> object:
    # Strict models take a tuple for a tuple; YAML and JSON give lists.
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[int, BeforeValidator(_filled_number)]
Truth = Annotated[bool, BeforeValidator(_filled_truth)]
Line = Annotated[str, Field(max_length=1024), AfterValidator(_check_line)]
Listed = Annotated[tuple[_Item, ...], BeforeValidator(_listed)]


class Entry(BaseModel):
    """What all parts of the file share: unknown keys are refused, kinds are not bent, values are not shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def read_entry(
    tree: Tree, where: Where, kind: type[_Entry], value: Any, below: Mapping[str, type[BaseModel]]
) -> _Entry | None:
    """The entry, or None once all that is wrong with it has been reported.

    `below`: what stands under some keys, for the names that are known there.
    """
    entry, errors = _validated(kind, value)
    for error in errors:
        place: Where = tuple(part for part in error["loc"] if part != "[key]")
        message, mend = explain(error)
        if error["type"] == "extra_forbidden":
            holder = next((below[str(part)] for part in reversed(place[:-1]) if part in below), kind)
            message, mend = "unknown key", did_you_mean(str(place[-1]), holder.model_fields)
        elif error["type"] == "missing" and (like := _example(kind, place)):
            mend += f", such as {like}"
        tree.report((*where, *place), message, mend)
    return entry


def check_name(tree: Tree, where: Where, name: str, check: Callable[[str], object]) -> None:
    """Reports a name that the check refuses."""
    try:
        check(name)
    except PydanticCustomError as error:
        context = error.context or {}
        tree.report_key(where, context["message"], context["mend"])


def _validated(kind: type[_Entry], value: Any) -> tuple[_Entry | None, list[ErrorDetails]]:
    # Pydantic's error holds the values, so it ends here.
    try:
        return kind.model_validate(value), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_input=False)


def _example(kind: type[BaseModel], place: Where) -> str:
    """What may be written for a key of an entry; empty if there is no example."""
    known = kind.model_fields.get(str(place[0])) if len(place) == 1 else None
    return str(known.examples[0]) if known and known.examples else ""
