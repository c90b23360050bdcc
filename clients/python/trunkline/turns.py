"""The turns of a conversation as values: what a dict with a "role" says, in words that an editor completes."""

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

from trunkline import v1
from trunkline.content import Content

__all__ = ["Assistant", "MessageForm", "ModelTurn", "OwnTurn", "System", "ToolOutput", "User"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the turns have in common, so that type checkers take a list of several kinds for a list of turns."""


@dataclass(frozen=True, slots=True)
class System(Turn):
    """What the model has to know and to heed before anybody speaks.

    For example:
        import trunkline

        with trunkline.Client() as client:
            rules = trunkline.System("Be brief.")
            print(client.complete("fast", [rules, trunkline.User("Who are you?")]).text)
    """

    content: Content


@dataclass(frozen=True, slots=True)
class User(Turn):
    """What a person says: text, files, pictures, or several of them in order.

    For example:
        from pathlib import Path

        import trunkline

        with trunkline.Client() as client:
            question = trunkline.User(["What is in this picture?", Path("cat.png")])
            print(client.complete("fast", question).text)
    """

    content: Content
    name: str = ""
    """Of the person, for providers that tell several speakers apart."""


@dataclass(frozen=True, slots=True)
class Assistant(Turn):
    """What the model said, in words of the caller's own. An answer of the gateway is replayed as `answer.message`.

    For example:
        import trunkline

        with trunkline.Client() as client:
            earlier = [trunkline.User("I am Ann."), trunkline.Assistant("Hello Ann!")]
            print(client.complete("fast", [*earlier, trunkline.User("Who am I?")]).text)
    """

    content: Content = ""
    tool_calls: Sequence[v1.ToolCall | Mapping[str, Any]] = ()
    """The tools that it asked for, after what it said."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolOutput(Turn):
    """What a tool gave back for a call of the model.

    For example:
        import trunkline

        with trunkline.Client() as client:
            weather = {"name": "get_weather", "parameters": {"type": "object"}}
            messages = [trunkline.User("Do I need an umbrella in Paris?")]
            answer = client.complete("fast", messages, tools=[weather])
            messages.append(answer.message)
            messages += [trunkline.ToolOutput(call, "rain") for call in answer.tool_calls]
            print(client.complete("fast", messages, tools=[weather]).text)
    """

    call: v1.ToolCall | str
    """The call that this answers, or its id."""
    content: Content
    is_error: bool = False
    """True if the tool failed, and the content says how."""


class OwnTurn(Protocol):
    """A dataclass of the application's own with the fields of the dict form: role, content and the others."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class ModelTurn(Protocol):
    """A pydantic model with those fields, such as the message in an answer of OpenAI's client."""

    def model_dump(self) -> dict[str, Any]:
        """The dict form."""


MessageForm = v1.Message | Mapping[str, Any] | System | User | Assistant | ToolOutput | Turn | OwnTurn | ModelTurn
"""One turn of a conversation, in all its forms: the type of what a list of messages holds."""
