"""Runs of turns and tools, and typed answers, against a real gRPC server that says what it is told."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

import trunkline
from tests.fakes import gateway as fake
from tests.turns import play, results, told, turn
from trunkline import v1


@dataclass
class Place:
    city: str
    population: int


@pytest.fixture
def gateway():
    with fake.running_gateway() as running:
        yield running


@pytest.fixture
def client(gateway):
    with trunkline.Client(gateway.target, timeout=30) as made:
        yield made


def weather(city: str, days: int = 1) -> dict[str, object]:
    """The weather."""
    if city == "Atlantis":
        raise KeyError(city)
    return {"city": city, "days": days}


def test_a_run_goes_on_until_the_model_has_answered(client, gateway):
    """Text of all turns streams, functions answer the calls, and the conversation and the usage are kept."""
    play(gateway, turn("Let me see. ", [("1", "weather", {"city": "Paris"})]), turn("Rain."))
    with client.run("m", "Umbrella?", tools=[weather], tool_choice="required") as run:
        assert list(run.text) == ["Let me see. ", "Rain."]
    assert (run.collect().text, len(run.turns), run.usage.output_tokens, run.pending) == ("Rain.", 2, 2, ())
    roles = [message.role for message in run.messages]
    assert roles == [v1.ROLE_USER, v1.ROLE_ASSISTANT, v1.ROLE_TOOL, v1.ROLE_ASSISTANT]
    first, second = (call.request for call in gateway.calls)
    assert first.tool_choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED
    assert not second.HasField("tool_choice"), "a forced call holds until one was made"
    assert [(each.tool_call_id, each.name, told(each)) for each in results(second)] == [
        ("1", "weather", '{"city":"Paris","days":1}')
    ]


def test_what_goes_wrong_in_a_tool_is_told_to_the_model(client, gateway):
    """Failures, wrong arguments and unknown names are results that are errors, and the run goes on."""
    calls = [
        ("1", "weather", {"city": "Atlantis"}),
        ("2", "weather", {"city": 7}),
        ("3", "sing", {}),
        ("4", "weather", b'{"city": "Par'),
    ]
    play(gateway, turn("", calls), turn("Sorry."))
    assert client.run("m", "Hi", tools=[weather]).collect().text == "Sorry."
    given = results(gateway.last.request)
    assert all(each.is_error for each in given)
    assert [told(each) for each in given] == [
        "KeyError: 'Atlantis'",
        "wrong arguments: $.city: Expected `str`, got `int`",
        "there is no tool sing; there are weather",
        "wrong arguments: the arguments are not a JSON text",
    ]


def test_a_hook_words_a_failure_or_ends_the_run(client, gateway):
    """on_tool_error gives what the model is told; what it raises ends the run, without its turn."""
    play(gateway, turn("", [("1", "weather", {"city": "Atlantis"})]), turn("Well."))
    client.run("m", "Hi", tools=[weather], on_tool_error=lambda call, error: f"{call.name} is down").collect()
    assert told(results(gateway.last.request)[0]) == "weather is down"

    def refuse(call, error):
        raise error

    play(gateway, turn("", [("1", "weather", {"city": "Atlantis"})]), turn("Well."))
    run = client.run("m", "Hi", tools=[weather], on_tool_error=refuse)
    for _ in range(2):
        with pytest.raises(KeyError):
            run.collect()
    assert len(run.messages) == 1


def test_steps_show_calls_and_results_as_they_happen(client, gateway):
    """Between the events of the turns come each call and then its result."""
    play(gateway, turn("", [("1", "weather", {"city": "Rome"})]), turn("Sun."))
    steps = [type(step).__name__ for step in client.run("m", "Hi", tools=[weather]).steps]
    assert [name for name in steps if name != "StreamEvent"] == ["ToolCall", "ToolResult"]
    assert (steps[0], steps[-1]) == ("StreamEvent", "StreamEvent")


def test_a_run_has_a_limit_of_turns_and_can_go_on(client, gateway):
    """TurnLimit has the conversation with the results of the last turn, which another run takes."""
    play(gateway, turn("", [("1", "weather", {"city": "Rome"})]))
    with pytest.raises(trunkline.TurnLimit) as caught:
        client.run("m", "Hi", tools=[weather], max_turns=2).collect()
    assert (len(gateway.calls), len(caught.value.messages), caught.value.reason) == (2, 5, "TURN_LIMIT")
    play(gateway, turn("Sun."))
    assert client.run("m", list(caught.value.messages), tools=[weather]).collect().text == "Sun."


def test_tools_that_are_no_functions_are_left_to_the_caller(client, gateway):
    """A run ends with calls of declared tools in pending; functions called beside them have their results."""
    play(gateway, turn("", [("1", "weather", {"city": "Rome"}), ("2", "pay", {})]))
    run = client.run("m", "Hi", tools=[weather, {"name": "pay"}])
    assert [call.id for call in run.collect().tool_calls] == ["1", "2"]
    assert [call.id for call in run.pending] == ["2"]
    play(gateway, turn("Paid."))
    done = [*run.messages, trunkline.ToolOutput(run.pending[0], "ok")]
    assert client.run("m", done, tools=[weather]).collect().text == "Paid."


def test_a_failed_turn_leaves_a_conversation_to_go_on_with(client, gateway):
    """After a failure in turn 2 the conversation has turn 1 whole, and the run raises the same again."""
    broken = turn("Half")[0]
    del broken.events[3:]
    play(gateway, turn("", [("1", "weather", {"city": "Rome"})]), [broken])
    run = client.run("m", "Hi", tools=[weather])
    for _ in range(2):
        with pytest.raises(trunkline.BrokenStream):
            run.collect()
    assert [message.role for message in run.messages][-1] == v1.ROLE_TOOL


def test_the_deadline_is_for_the_whole_run(client, gateway):
    """Each turn gets what is left, and after a slow tool nothing is left."""
    gone = threading.Event()

    def slow() -> str:
        gone.wait(0.5)
        return "late"

    play(gateway, turn("", [("1", "slow", {})]), turn("Never."))
    with pytest.raises(trunkline.DeadlineExceeded):
        client.run("m", "Hi", tools=[slow], timeout=0.4).collect()
    assert len(gateway.calls) == 1
    assert gateway.last.time_remaining < 0.5


def test_an_answer_is_a_value_of_the_type(client, gateway):
    """complete, stream and run give the value, and ask for its schema strictly."""
    gateway.on_complete = fake.answer('{"city": "Paris", "population": 2}')
    assert client.complete("m", "Hi", output=Place).output == Place("Paris", 2)
    asked = gateway.last.request.response_format.json_schema
    assert (asked.name, asked.strict) == ("Place", True)
    play(gateway, turn('{"value": [1, 2]}'))
    assert client.stream("m", "Hi", output=list[int]).collect().output == [1, 2]
    assert client.run("m", "Hi", tools=[weather], output=list[int]).collect().output == [1, 2]
    assert client.complete("m", "Hi").output is None


def test_a_request_of_the_callers_own_is_not_changed(client, gateway):
    """output beside a whole request asks in a copy; beside a response_format it is refused."""
    request = v1.CompleteRequest(model="m")
    gateway.on_complete = fake.answer('{"value": 3}')
    assert client.complete(request=request, output=int).output == 3
    assert not request.HasField("response_format")
    with pytest.raises(TypeError, match="response_format"):
        client.complete("m", "Hi", output=int, response_format="json")
    with pytest.raises(TypeError, match="output="):
        client.complete("m", "Hi", response_format=Place)


async def test_functions_of_one_turn_run_at_the_same_time():
    """Coroutines and plain functions answer together, with the reader's context, and results keep the calls' order."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=30) as client:
        who = contextvars.ContextVar("who")
        who.set("me")
        first, second = asyncio.Event(), threading.Event()

        async def waits() -> str:
            await first.wait()
            second.set()
            return who.get()

        async def wakes() -> str:
            first.set()
            return "woke"

        def plain() -> str:
            assert second.wait(10)
            return who.get()

        play(gateway, turn("", [("1", "waits", {}), ("2", "plain", {}), ("3", "wakes", {})]), turn("Done."))
        async with client.run("m", "Hi", tools=[waits, plain, wakes]) as run:
            assert (await run.collect()).text == "Done."
        assert [told(each) for each in results(gateway.last.request)] == ["me", "me", "woke"]


@pytest.mark.parametrize("how", ["leave", "cancel", "deadline"])
async def test_no_function_is_left_running(how):
    """Leaving the with, cancelling the reader and the deadline cancel running functions."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=30) as client:
        started, stopped = asyncio.Event(), asyncio.Event()

        async def endless() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        play(gateway, turn("", [("1", "endless", {})]))
        run = client.run("m", "Hi", tools=[endless], timeout=0.5 if how == "deadline" else None)
        reader = asyncio.create_task(run.collect())
        await asyncio.wait_for(started.wait(), 10)
        if how == "leave":
            await run.close()
        elif how == "cancel":
            reader.cancel()
        wanted = {
            "leave": trunkline.Cancelled,
            "cancel": asyncio.CancelledError,
            "deadline": trunkline.DeadlineExceeded,
        }
        with pytest.raises(wanted[how]):
            await reader
        assert stopped.is_set()
        assert len(run.messages) == 1


def test_a_coroutine_function_needs_the_other_client(client):
    """A run of threads refuses a coroutine function before anything is sent."""

    async def tool() -> str:
        return ""

    with pytest.raises(TypeError, match="AsyncClient"):
        client.run("m", "Hi", tools=[tool])


TYPED = """
import trunkline
class Place: ...
async def main(c: trunkline.Client, a: trunkline.AsyncClient) -> None:
    reveal_type(c.complete("m", "x"))
    reveal_type(c.complete("m", "x", output=Place).output)
    reveal_type(c.stream("m", "x", output=list[int]).collect().output)
    reveal_type(c.run("m", "x", tools=[print], output=Place).collect().output)
    reveal_type(await a.complete("m", "x", output=Place))
    reveal_type((await a.run("m", "x", output=int).collect()).output)
"""


def test_type_checkers_know_what_an_answer_is(tmp_path):
    """Strict mypy gives each call the type of its output."""
    file = tmp_path / "typed.py"
    file.write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    revealed = [line.split('"')[1] for line in found.splitlines() if "Revealed" in line]
    assert revealed == [
        "trunkline.completion.Completion[None]",
        "typed.Place",
        "list[int]",
        "typed.Place",
        "trunkline.completion.Completion[typed.Place]",
        "int",
    ], found
