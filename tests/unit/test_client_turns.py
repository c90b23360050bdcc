"""Turns of a conversation as dataclasses: ours, and an application's own."""

from dataclasses import FrozenInstanceError, dataclass, field
from enum import Enum, StrEnum

import pytest
from openai.types.chat import ChatCompletionMessage

import trunkline
from trunkline import v1
from trunkline.conversation import conversation

CALL = v1.ToolCall(id="c1", name="get_weather", arguments_json=b"{}")
ASSISTANT_OF_OPENAI = {
    "role": "assistant",
    "content": "Hi",
    "refusal": None,
    "annotations": [],
    "audio": None,
    "function_call": None,
    "tool_calls": None,
}
"""What openai 3.54 makes of an answer's message with model_dump()."""


class Speaker(Enum):
    PERSON = "user"


class Voice(StrEnum):
    PERSON = "user"


@dataclass
class Line:
    """A turn as an application keeps it."""

    role: object
    content: str
    name: str | None = None


@dataclass
class Noted(Line):
    """One that keeps more."""

    tags: list[str] = field(default_factory=list)


def test_turns_say_what_dicts_say():
    """Each dataclass makes the message that its dict makes, in one conversation with dicts and messages."""
    ours = [
        trunkline.System("Be brief."),
        trunkline.User(["Hi", v1.Media(uri="https://example.com/a.png")], name="Ann"),
        trunkline.Assistant("Let me see.", tool_calls=[CALL]),
        trunkline.ToolOutput(CALL, "rain"),
        {"role": "user", "content": "And in Rome?"},
        v1.Message(role=v1.ROLE_ASSISTANT),
    ]
    dicts = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ["Hi", v1.Media(uri="https://example.com/a.png")], "name": "Ann"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "name": "get_weather", "content": "rain"},
        {"role": "user", "content": "And in Rome?"},
        {"role": "assistant"},
    ]
    assert conversation(ours) == conversation(dicts)


def test_one_turn_is_a_conversation():
    """A single turn needs no list around it."""
    assert conversation(trunkline.User("Hi")) == conversation("Hi") == conversation(Line("user", "Hi"))


def test_a_result_names_its_call():
    """ToolOutput takes the call, whose name goes along, or its id; and says whether the tool failed."""
    (of_call, of_id) = conversation(
        [trunkline.ToolOutput(CALL, "rain"), trunkline.ToolOutput("c2", "x", is_error=True)]
    )
    first, second = of_call.blocks[0].tool_result, of_id.blocks[0].tool_result
    assert (first.tool_call_id, first.name, first.is_error) == ("c1", "get_weather", False)
    assert (second.tool_call_id, second.name, second.is_error) == ("c2", "", True)


@pytest.mark.parametrize("role", ["user", Speaker.PERSON, Voice.PERSON, v1.ROLE_USER])
def test_a_role_is_a_word_or_an_enum(role):
    """An application's own dataclass may name its role by the word, an Enum of such words, or v1.Role."""
    assert conversation([Line(role, "Hi")]) == conversation("Hi")


def test_what_is_none_or_empty_says_nothing():
    """Fields that hold None or an empty list are as good as absent, as in what OpenAI's answers hold."""
    assert conversation([Noted("user", "Hi")]) == conversation("Hi")
    assert conversation([ASSISTANT_OF_OPENAI]) == conversation([trunkline.Assistant("Hi")])


def test_a_pydantic_model_of_a_turn_is_taken():
    """What OpenAI's client answers may stand in a conversation as it is, and so may a model of one's own."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    theirs = ChatCompletionMessage.model_validate({"role": "assistant", "content": None, "tool_calls": [call]})
    assert conversation([theirs]) == conversation(theirs) == conversation([trunkline.Assistant(tool_calls=[CALL])])
    with pytest.raises(TypeError, match=r"messages\[0\]: a dict, .*, not ModelMetaclass"):
        conversation([ChatCompletionMessage])


def test_a_refusal_is_replayed_as_one():
    """An assistant's refusal, beside its content or as a part of it, is text that says so."""
    beside = conversation([{"role": "assistant", "content": None, "refusal": "No."}])
    within = conversation([{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}])
    refusal = v1.Block(text=v1.Text(text="No.", is_refusal=True))
    assert beside == within == [v1.Message(role=v1.ROLE_ASSISTANT, blocks=[refusal])]


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Noted("user", "Hi", tags=["a"]), r"messages\[0\]: only content, name, role can stand here, not tags"),
        (Line("robot", "Hi"), r"messages\[0\].role: one of system, developer, user"),
        (Line(7, "Hi"), r"messages\[0\].role: one of .*, not 7"),
        (Line(v1.ROLE_UNSPECIFIED, "Hi"), r"messages\[0\].role: one of"),
        (Line, r"messages\[0\]: a dict, trunkline.User\(...\).*, not type"),
        (trunkline.User(3), r"messages\[0\].content: text, a pathlib.Path, .* not int"),
        (trunkline.User(["a", 3]), r"messages\[0\].content\[1\]: .* not int"),
        (trunkline.User("a", name=3), r"messages\[0\].name: text, not int"),
        (trunkline.Assistant("a", tool_calls=CALL), r"messages\[0\].tool_calls: a list, not ToolCall"),
        (trunkline.Assistant("a", tool_calls=[3]), r"messages\[0\].tool_calls\[0\]: a v1.ToolCall"),
        (trunkline.ToolOutput(3, "a"), r"messages\[0\].call: a v1.ToolCall or its id, not int"),
        (trunkline.ToolOutput("", "a"), r"messages\[0\].tool_call_id: name the ToolCall"),
        (trunkline.ToolOutput(CALL, "a", is_error="yes"), r"messages\[0\].is_error: True or False, not str"),
        ({"role": "user"}, r"messages\[0\].content: text, .* not NoneType"),
    ],
)
def test_a_turn_that_cannot_be_understood_names_its_place(turn, words):
    """The complaint names the turn, its field and what would be right there."""
    with pytest.raises((TypeError, ValueError), match=words):
        conversation([turn])


def test_turns_are_values():
    """Turns are equal by what they say, and can't be changed."""
    turn = trunkline.User("Hi")
    assert turn == trunkline.User("Hi") != trunkline.User("Ho")
    with pytest.raises(FrozenInstanceError):
        turn.content = "Ho"
