"""JSON Schemas of Python types, as providers take them, and complaints about what does not fit."""

import dataclasses
import datetime as dt
import json
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

import trunkline
from trunkline import v1
from trunkline.output import output_of


def asked(kind):
    """The schema that the model is asked to fill, and whether it is held to it."""
    wanted = output_of(kind).format.json_schema
    return json.loads(wanted.schema), wanted.strict


def told(function, **options):
    """The schema of a function's parameters."""
    return json.loads(trunkline.Function(function, **options).tool.parameters_json_schema)


def complaint(kind, text):
    """What is wrong with an answer, and where."""
    message = v1.Message(blocks=[v1.Block(text=v1.Text(text=text))])
    with pytest.raises(trunkline.InvalidOutput) as caught:
        output_of(kind).read(trunkline.Completion(v1.CompleteResponse(message=message)))
    assert "secret" not in caught.value.message
    return caught.value.path


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Node(pydantic.BaseModel):
    name: str
    kids: "list[Node]" = []


class Chain(pydantic.BaseModel):
    after: "Chain" = pydantic.Field(default=None, description="The one after it.")


@dataclasses.dataclass
class Tree:
    root: Node
    others: list[Node]


@dataclasses.dataclass
class Link:
    after: Annotated["Link", "The one after it."]


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: float


class Person(msgspec.Struct, rename="camel"):
    """A person.

    Attributes:
        first_name: As the mother says it.
    """

    first_name: str
    born_in: Annotated[str, "A city."] = ""


class Point(NamedTuple):
    x: int
    y: int


class Packed(msgspec.Struct, array_like=True):
    when: dt.datetime
    what: str


class Options(TypedDict):
    a: int
    b: NotRequired[str]


@dataclasses.dataclass
class Moments:
    at: dt.datetime
    until: dt.datetime | None
    all: list[dt.datetime]
    by_name: dict[str, dt.time]
    pair: tuple[dt.datetime, int]
    local: Annotated[dt.datetime, msgspec.Meta(tz=False)]
    zoned: Annotated[dt.datetime, msgspec.Meta(tz=True)]


def test_one_of_several_models_is_any_of_them():
    """A discriminated union is anyOf, which strict modes take, and its tags are enums of text."""
    schema, strict = asked(Owner)
    assert schema["properties"]["pet"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert schema["$defs"]["Cat"]["properties"]["kind"] == {"type": "string", "enum": ["cat"]}
    assert strict
    schema, strict = asked(Circle | Square)
    assert [each["$ref"] for each in schema["properties"]["value"]["anyOf"]] == ["#/$defs/Circle", "#/$defs/Square"]
    assert strict


def test_a_tuple_keeps_its_places_and_is_not_strict():
    """Strict modes have no word for places in a list; elsewhere they are told."""
    schema, strict = asked(tuple[int, int])
    assert schema["properties"]["value"]["prefixItems"] == [{"type": "integer"}] * 2
    assert not strict
    schema, strict = asked(Point)
    assert schema["$defs"]["Point"]["prefixItems"] == [{"type": "integer"}] * 2
    assert not strict
    assert asked(tuple[int, ...])[1]


def test_a_struct_that_is_an_array_is_one():
    """A Struct written as an array has places in place of properties, with their formats."""
    schema, strict = asked(Packed)
    assert schema["$defs"]["Packed"]["prefixItems"] == [
        {"type": "string", "format": "date-time"},
        {"type": "string"},
    ]
    assert not strict


def test_a_renamed_field_is_described_by_its_own_name():
    """Descriptions are written for Python's names and told beside those of JSON."""
    schema, _ = asked(Person)
    assert schema["properties"] == {
        "firstName": {"type": "string", "description": "As the mother says it."},
        "bornIn": {"type": "string", "description": "A city."},
    }
    assert schema["required"] == ["firstName", "bornIn"]


def test_moments_say_their_format_wherever_they_stand():
    """With or without a time zone a datetime is a date-time; one that has none at all has no such format."""
    properties = asked(Moments)[0]["properties"]
    moment = {"type": "string", "format": "date-time"}
    assert properties["at"] == properties["zoned"] == moment
    assert properties["until"]["anyOf"] == [moment, {"type": "null"}]
    assert properties["all"]["items"] == properties["pair"]["prefixItems"][0] == moment
    assert properties["by_name"]["additionalProperties"] == {"type": "string", "format": "time"}
    assert properties["local"] == {"type": "string"}
    assert asked(dt.datetime)[0]["properties"]["value"] == moment

    def remind(at: dt.datetime) -> None: ...

    assert told(remind)["properties"]["at"] == moment


def test_a_recursive_model_is_told_once():
    """A pydantic model that holds itself is a definition that names itself, alone and within a dataclass."""
    inner = {"items": {"$ref": "#/$defs/Node"}, "type": "array"}
    for kind in (Node, Tree):
        schema, strict = asked(kind)
        assert schema["$defs"]["Node"]["properties"]["kids"] == inner
        assert strict


@pytest.mark.parametrize("kind", [Chain, Link])
def test_a_described_reference_to_itself_ends(kind):
    """What a description stands beside moves in once; the next is a reference again."""
    after = asked(kind)[0]["properties"]["after"]
    assert after["description"] == "The one after it."
    assert after["properties"]["after"] == {"$ref": f"#/$defs/{kind.__name__}"}


def place(module, field):
    made = dataclasses.make_dataclass("Place", [(field, int)])
    made.__module__ = module
    return made


def pair(one, other):
    return dataclasses.make_dataclass("Pair", [("one", one), ("other", other)])


def test_two_types_of_one_name_are_told_apart_or_refused():
    """Modules tell two types apart; two that nothing tells apart are a TypeError that says so."""
    schema, _ = asked(pair(place("shop", "x"), place("map", "y")))
    assert schema["$defs"].keys() == {"shop.Place", "map.Place"}
    one, other = (pydantic.create_model("Place", **{name: (int, ...)}) for name in "xy")
    assert "$defs" not in asked(pair(one, other))[0]
    holders = [
        pydantic.create_model(f"Of{name}", place=(each, ...)) for name, each in zip("xy", (one, other), strict=True)
    ]
    for kind in (pair(place("shop", "x"), place("shop", "y")), pair(*holders), pair(place("shop", "x"), holders[0])):
        with pytest.raises(TypeError, match="two types are called Place; rename one"):
            asked(kind)


def test_values_of_several_kinds_say_their_types():
    """Strict modes want a type beside every enum."""
    properties = asked(dataclasses.make_dataclass("Choice", [("one", Literal["a", None]), ("more", Literal[1, "a"])]))[
        0
    ]
    assert properties["properties"]["one"]["type"] == ["null", "string"]
    assert properties["properties"]["more"]["type"] == ["integer", "string"]


def test_what_may_be_missing_is_required_of_a_strict_answer_alone():
    """A strict answer has all members; a function may be called without those that may be left out."""

    def take(options: Options) -> None: ...

    assert asked(Options)[0]["required"] == ["a", "b"]
    assert told(take)["$defs"]["Options"]["required"] == ["a"]


@pytest.mark.parametrize(
    ("kind", "text", "path"),
    [
        (Circle | Square, '{"value": {"type": "secret", "radius": 1}}', "$.value.type"),
        (Literal["a"], '{"value": "secret"}', "$.value"),
        (Owner, '{"pet": {"kind": "secret"}}', "$.pet"),
        (dict[int, int], '{"value": {"secret": 1}}', "$"),
        (Tree, '{"root": {"name": "a", "kids": [{"name": 3}]}, "others": []}', "$.root.kids[0].name"),
        (dt.datetime, '{"value": "secret"}', "$.value"),
    ],
)
def test_a_complaint_has_the_path_and_never_the_value(kind, text, path):
    """What the model wrote stays out of the message, also where the type's library would quote it."""
    assert complaint(kind, text) == path


def hidden(__city: str) -> None: ...


def test_a_name_that_python_hides_is_refused():
    """A parameter that begins with two underscores can't be told, and the complaint names it."""
    with pytest.raises(TypeError, match="hidden: parameter __city: rename it"):
        trunkline.Function(hidden)


def test_anything_is_asked_for_without_strictness():
    """Any is an open schema, which no strict mode holds."""
    schema, strict = asked(Any)
    assert (schema["properties"]["value"], strict) == ({}, False)
