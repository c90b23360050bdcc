"""Python functions as tools."""

import dataclasses
import enum
import functools
import json
from typing import Annotated, Any, Literal, Optional

import msgspec
import pydantic
import pytest

import trunkline


class Unit(enum.Enum):
    C = "c"
    F = "f"


@dataclasses.dataclass
class Place:
    """A place.

    Attributes:
        city: Its name.
    """

    city: str
    near: "list[Place]" = dataclasses.field(default_factory=list)


class Box(pydantic.BaseModel):
    size: int = pydantic.Field(ge=0)


def schema(function, **options):
    return json.loads(trunkline.Function(function, **options).tool.parameters_json_schema)


def google(city: str, days: int = 1) -> None:
    """Tell the
    weather.

    More.

    Args:
        city (str): Where:
            in English.
        days: How many.
    """


def numpy(city: str, days: int = 1) -> None:
    """Tell the weather.

    Parameters
    ----------
    city : str
        Where: in English.
    days
        How many.
    """


def sphinx(city: str, days: int = 1) -> None:
    """Tell the weather.

    :param str city: Where:
        in English.
    :param days: How many.
    :returns: nothing
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_a_docstring_describes_the_function_and_its_parameters(function):
    """The first paragraph is the description; parameters are read in three conventions."""
    told = schema(function)
    assert trunkline.Function(function).tool.description == "Tell the weather."
    assert {name: each["description"] for name, each in told["properties"].items()} == {
        "city": "Where: in English.",
        "days": "How many.",
    }
    assert (told["required"], told["additionalProperties"]) == (["city"], False)


def many(
    text: str,
    number: Annotated[float, msgspec.Meta(ge=0, description="Not below 0.")],
    unit: Unit = Unit.C,
    word: Literal["a", "b"] = "a",
    where: Optional[Place] = None,  # noqa: UP045 - the older form is read too
    tags: Annotated[list[str], "Words."] = [],  # noqa: B006
    box: Box | None = None,
) -> None:
    """Take all kinds."""


def test_arguments_arrive_as_the_hints_say():
    """Enums, dataclasses and pydantic models are made; what is left out, or null, is left to the default."""
    raw = {"text": "x", "number": 1, "unit": "f", "where": {"city": "P"}, "tags": None, "box": {"size": 2}}
    assert trunkline.Function(many).arguments(json.dumps(raw).encode()) == {
        "text": "x",
        "number": 1.0,
        "unit": Unit.F,
        "where": Place("P"),
        "box": Box(size=2),
    }


def test_a_strict_schema_requires_all_and_lets_null_stand_for_defaults():
    """Strict modes want every property required and bounds in words."""
    told = schema(many, strict=True)
    assert told["required"] == list(told["properties"])
    assert told["properties"]["number"] == {"description": "Not below 0. (at least 0)", "type": "number"}
    assert told["properties"]["word"] == {"anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]}
    assert told["$defs"]["Place"]["additionalProperties"] is False
    assert "default" not in json.dumps(told)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b'{"text":"x","number":-1}', "$.number: "),
        (b'{"text":"x","number":1,"unit":"kelvin"}', "$.unit: not one of"),
        (b'{"text":"x","number":1,"box":{"size":"secret"}}', "$.box.size: "),
        (b'{"text":"x","number":1,"more":1}', "$: Object contains unknown field `more`"),
        (b"", "$: Object missing required field `text`"),
    ],
)
def test_wrong_arguments_are_told_with_their_path_and_without_the_value(raw, complaint):
    """The model reads where its call is wrong."""
    with pytest.raises(ValueError) as caught:
        trunkline.Function(many).arguments(raw)
    assert str(caught.value).startswith(complaint)
    assert "secret" not in str(caught.value)


def unannotated(city): ...
def several(*cities: str): ...
def anything(**options: str): ...
def positional(city: str, /): ...
def foreign(city: complex): ...
def missing(city: "Nowhere"): ...  # noqa: F821


@pytest.mark.parametrize("function", [unannotated, several, anything, positional, foreign, missing])
def test_a_function_that_cant_be_told_is_refused_by_name(function):
    """The complaint names the function, and comes before anything is sent."""
    with pytest.raises(TypeError, match=f"^tools.0.: {function.__name__}: "):
        trunkline.Client("127.0.0.1:1").stream("m", "Hi", tools=[function])


def test_names_and_methods_and_partials_are_taken():
    """A lambda needs a name; a bound method and a partial are functions without what is bound."""
    with pytest.raises(TypeError, match="name="):
        trunkline.Function(lambda: 1)
    assert trunkline.Function(lambda: 1, name="one", description="One.").tool.description == "One."
    bound = functools.partial(google, days=2)
    assert trunkline.Function(bound, name="soon").arguments(b'{"city": "P"}') == {"city": "P"}


def test_maps_cant_be_strict():
    """A map or Any has no closed schema; strict says so."""

    def loose(more: dict[str, Any]) -> None: ...

    assert trunkline.Function(loose).tool.HasField("strict") is False
    with pytest.raises(TypeError, match="strict"):
        trunkline.Function(loose, strict=True)
