"""Text of an answer to a value of a type."""

import dataclasses
import json
from typing import Annotated, TypedDict

import msgspec
import pydantic
import pytest

import trunkline
from trunkline import v1
from trunkline.output import output_of


@dataclasses.dataclass
class Place:
    city: str
    zip: Annotated[str, "The code."] = "-"


class Row(TypedDict):
    city: str


class Cat(msgspec.Struct, tag=True):
    lives: Annotated[int, msgspec.Meta(le=9)]


class Dog(msgspec.Struct, tag=True):
    name: str


class Model(pydantic.BaseModel):
    city: str
    places: list[int] = []


def answer(text, reason=v1.FINISH_REASON_STOP, **block):
    said = v1.Message(role=v1.ROLE_ASSISTANT, blocks=[v1.Block(text=v1.Text(text=text, **block))])
    started = v1.Started(request_id="r-1")
    return trunkline.Completion(
        v1.CompleteResponse(started=started, message=said, finished=v1.Finished(finish_reason=reason))
    )


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Place, '{"city":"P","zip":"1"}', Place("P", "1")),
        (Row, '{"city":"P"}', {"city": "P"}),
        (Cat, '{"type":"Cat","lives":9}', Cat(9)),
        (Cat | Dog, '{"value":{"type":"Dog","name":"Rex"}}', Dog("Rex")),
        (Model, '{"city":"P","places":[1]}', Model(city="P", places=[1])),
        (list[Model], '{"value":[{"city":"P"}]}', [Model(city="P")]),
        (int, ' {"value":7} ', 7),
        (dict[str, int], '{"a":1}', {"a": 1}),
    ],
)
def test_an_answer_becomes_a_value(kind, text, value):
    """Each kind of type is asked for as an object and read back."""
    output = output_of(kind)
    schema = json.loads(output.format.json_schema.schema)
    assert schema["type"] == "object"
    assert output.read(answer(text)) == value


@pytest.mark.parametrize(
    ("text", "reason", "wanted", "path"),
    [
        ('{"city": 7}', v1.FINISH_REASON_STOP, "OUTPUT_INVALID", "$.city"),
        ("secret prose", v1.FINISH_REASON_STOP, "OUTPUT_INVALID", ""),
        ('{"city": "secr', v1.FINISH_REASON_LENGTH, "OUTPUT_CUT", ""),
        ("secret", v1.FINISH_REASON_REFUSAL, "OUTPUT_REFUSED", ""),
    ],
)
def test_an_answer_that_is_no_such_value_says_why(text, reason, wanted, path):
    """The reason tells the cases apart; the answer goes along and is not in the message."""
    given = answer(text, reason)
    with pytest.raises(trunkline.InvalidOutput) as caught:
        output_of(Place).read(given)
    assert (caught.value.reason, caught.value.path, caught.value.request_id) == (wanted, path, "r-1")
    assert caught.value.completion is given
    assert "secret" not in str(caught.value)


def test_bounds_hold_though_the_schema_has_them_in_words():
    """A bound that strict modes have no keyword for is told and checked here."""
    schema = json.loads(output_of(Cat).format.json_schema.schema)
    assert schema["properties"]["lives"] == {"type": "integer", "description": "(at most 9)"}
    with pytest.raises(trunkline.InvalidOutput, match=r"\$\.lives"):
        output_of(Cat).read(answer('{"type":"Cat","lives":10}'))


def test_only_closed_types_are_strict():
    """Maps are asked for without strict, all else with it."""
    assert output_of(Place).format.json_schema.strict
    assert not output_of(dict[str, int]).format.json_schema.HasField("strict")


@pytest.mark.parametrize("kind", [complex, Place | Row, object()])
def test_a_type_that_json_cant_carry_is_refused(kind):
    """The complaint says what can stand there."""
    with pytest.raises(TypeError, match="output: "):
        output_of(kind)


def test_a_refusal_in_words_is_a_refusal():
    """A provider that marks its text as a refusal and ends as usual has refused."""
    with pytest.raises(trunkline.InvalidOutput) as caught:
        output_of(Place).read(answer("No.", is_refusal=True))
    assert caught.value.reason == "OUTPUT_REFUSED"
