"""A whole answer, as people use it."""

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from trunkline import parts, v1
from trunkline.signpost import Signposted

__all__ = ["Completion", "Reader", "T_co", "asked", "settled"]

if TYPE_CHECKING:
    # An answer without a type is a plain Completion, and its output is None. Defaults of type variables are newer than
    # the oldest Python that this runs on, and only type checkers need them.
    from typing_extensions import TypeVar as TypeVarWithDefault

    T_co = TypeVarWithDefault("T_co", covariant=True, default=None)
else:
    T_co = TypeVar("T_co", covariant=True)


class Reader(Protocol[T_co]):
    """Reads a value from an answer: trunkline.output, which is loaded only where a type is given."""

    @property
    def format(self) -> v1.ResponseFormat:
        """What the model is asked for."""

    def read(self, completion: "Completion[Any]") -> T_co:
        """The value. Raises InvalidOutput."""


class Completion(Signposted, Generic[T_co]):
    """An answer: the message of the contract in `response`, and what is wanted most often beside it.

    `Completion[Place]` is the answer to a call with `output=Place`; a call without it gives a plain `Completion`.

    For example:
        from dataclasses import dataclass

        import trunkline

        @dataclass
        class Place:
            city: str
            country: str

        with trunkline.Client() as client:
            answer = client.complete("fast", "Where is the Louvre?", output=Place, timeout=60)
            print(answer.output.city, answer.usage.output_tokens)
    """

    __slots__ = ("_reader", "_value", "response")

    _value: T_co

    def __init__(self, response: v1.CompleteResponse, reader: Reader[T_co] | None = None) -> None:
        self.response = response
        self._reader = reader

    @property
    def output(self) -> T_co:
        """The answer as a value of the type that was asked for, or None where no type was.

        Raises InvalidOutput while the model asks for tools and has not answered.
        """
        reader = self._reader  # another thread may be here too, and be done first
        if reader is not None:
            self._value, self._reader = reader.read(self), None
        return getattr(self, "_value", None)  # type: ignore[return-value] # without a reader, T_co is None

    @property
    def message(self) -> v1.Message:
        """The assistant's turn. Append it to the conversation as it is: signatures and ids travel back with it.

        For example:
            import trunkline

            with trunkline.Client() as client:
                messages = [trunkline.User("I am Ann.")]
                messages.append(client.complete("fast", messages).message)
                messages.append(trunkline.User("Who am I?"))
                print(client.complete("fast", messages).text)
        """
        return self.response.message

    @property
    def text(self) -> str:
        """All text of the answer, joined.

        For example:
            import trunkline

            with trunkline.Client() as client:
                print(client.complete("fast", "Say hello.").text)
        """
        return "".join(block.text.text for block in self.message.blocks if block.HasField("text"))

    @property
    def reasoning(self) -> str:
        """What the model thought, joined: the thought where it is shown, else its summary.

        For example:
            import trunkline

            with trunkline.Client() as client:
                answer = client.complete("fast", "Is 2027 a prime?", reasoning_effort="low")
                print(answer.reasoning or "it did not tell", answer.text)
        """
        thoughts = [block.reasoning for block in self.message.blocks if block.HasField("reasoning")]
        return "".join(thought.text or thought.summary for thought in thoughts)

    @property
    def tool_calls(self) -> tuple[v1.ToolCall, ...]:
        """The tools that the model asks for. Look at `arguments_valid` before you parse `arguments_json`.

        For example:
            import json

            import trunkline

            with trunkline.Client() as client:
                weather = {"name": "get_weather", "parameters": {"type": "object"}}
                answer = client.complete("fast", "Do I need an umbrella in Paris?", tools=[weather])
                for call in answer.tool_calls:
                    print(call.name, json.loads(call.arguments_json) if call.arguments_valid else "not JSON")
        """
        return tuple(block.tool_call for block in self.message.blocks if block.HasField("tool_call"))

    @property
    def finish_reason(self) -> "v1.FinishReason.ValueType":
        """Why the model stopped: v1.FINISH_REASON_STOP and its like.

        For example:
            import trunkline
            from trunkline import parts, v1

            with trunkline.Client() as client:
                answer = client.complete("fast", "Write a poem.", max_output_tokens=20)
                print("cut off" if answer.finish_reason == v1.FINISH_REASON_LENGTH else "whole")
        """
        return self.response.finished.finish_reason

    @property
    def usage(self) -> v1.Usage:
        """Tokens used. Numbers that nobody knows are unset: ask HasField before you take 0 for an answer."""
        return self.response.finished.usage

    @property
    def left_out(self) -> tuple[str, ...]:
        """Parts of the request that the deployment which answered could not take: "messages[3].blocks[0].signature".

        For example:
            import trunkline

            with trunkline.Client() as client:
                answer = client.complete("fast", trunkline.User("Hi", name="Ann"))
                print(answer.left_out)  # ("messages[0].name",) where the provider has no place for names
        """
        attempts = self.response.finished.attempts
        served = [each for each in attempts if each.outcome == v1.ATTEMPT_OUTCOME_SERVED] or attempts[-1:]
        return tuple(path for each in served[-1:] for path in each.left_out)

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records.

        For example:
            import trunkline

            with trunkline.Client() as client:
                print(client.complete("fast", "Say hello.", request_id="greeting-1").request_id)
        """
        return self.response.started.request_id

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy has the value as far as it was read: the type that was asked for may be one that no pickle can name.
        return _again, (self.response, getattr(self, "_value", None))

    def __repr__(self) -> str:
        known = self.finish_reason in v1.FinishReason.values()  # a newer gateway may have more reasons
        reason = v1.FinishReason.Name(self.finish_reason) if known else str(self.finish_reason)
        word = reason.removeprefix("FINISH_REASON_")
        return f"Completion({self.response.finished.model}, {word}, {len(self.message.blocks)} blocks)"


def _again(response: v1.CompleteResponse, value: Any) -> Completion[Any]:
    completion: Completion[Any] = Completion(response)
    completion._value = value
    return completion


def asked(kind: Any, request: v1.CompleteRequest, *, given: bool) -> tuple[v1.CompleteRequest, Reader[Any] | None]:
    """The request that asks for a value of this type, if one is asked for. A `given` request is the caller's own."""
    if kind is None:
        return request, None
    reader: Reader[Any] = parts.output_of(kind)
    if request.HasField("response_format"):
        raise TypeError("output: it sets response_format; give one of them")
    if given:
        request, own = v1.CompleteRequest(), request
        request.CopyFrom(own)
    request.response_format.CopyFrom(reader.format)
    return request, reader


def settled(response: v1.CompleteResponse, reader: Reader[Any] | None) -> Completion[Any]:
    """The answer. Raises InvalidOutput where it is not of the type asked for; one that asks for tools may still be."""
    completion = Completion(response, reader)
    if reader is not None and not completion.tool_calls:
        _ = completion.output
    return completion
