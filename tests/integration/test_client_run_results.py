"""What tools give back in a run, what is told of their failures, and how both kinds of run go on and end."""

import asyncio
import threading

import pydantic
import pytest

import trunkline
from tests.fakes import gateway as fake
from tests.turns import play, results, told, turn
from trunkline import v1

CALL = ("1", "tool", {})
PICTURE = v1.Media(mime_type="image/png", data=b"\x89PNG\r\n\x1a\n")
MOST_RETURNED = 1024 * 1024


class Box(pydantic.BaseModel):
    size: int


@pytest.fixture
def gateway():
    with fake.running_gateway() as running:
        yield running


@pytest.fixture
def client(gateway):
    with trunkline.Client(gateway.target, timeout=30) as made:
        yield made


def result_of(client, gateway, tool, **options):
    """What the model is told after it called this function."""
    play(gateway, turn("", [CALL]), turn("Done."))
    named = trunkline.Function(tool, name="tool")
    assert client.run("m", "Hi", tools=[named], **options).collect().text == "Done."
    return results(gateway.last.request)[0]


@pytest.mark.parametrize(
    ("value", "blocks"),
    [
        ("text", [v1.Block(text=v1.Text(text="text"))]),
        (PICTURE, [v1.Block(media=PICTURE)]),
        (["see", PICTURE], [v1.Block(text=v1.Text(text="see")), v1.Block(media=PICTURE)]),
        (Box(size=2), [v1.Block(text=v1.Text(text='{"size":2}'))]),
        ([Box(size=2)], [v1.Block(text=v1.Text(text='[{"size":2}]'))]),
        (["a", "b"], [v1.Block(text=v1.Text(text='["a","b"]'))]),
        (None, [v1.Block(text=v1.Text(text="null"))]),
    ],
)
def test_content_goes_back_as_it_is_and_all_else_as_json(client, gateway, value, blocks):
    """Texts, media and lists with them are content; values and lists of values are JSON."""
    result = result_of(client, gateway, lambda: value)
    assert (list(result.blocks), result.is_error) == (blocks, False)


def test_a_path_goes_back_as_its_file(client, gateway, tmp_path):
    """A picture by its path is the picture; a file that is gone is an error of the tool, and the run goes on."""
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE.data)
    assert list(result_of(client, gateway, lambda: path).blocks) == [v1.Block(media=PICTURE)]
    gone = result_of(client, gateway, lambda: tmp_path / "gone.png")
    assert gone.is_error
    assert told(gone).startswith("FileNotFoundError: ")


@pytest.mark.parametrize("value", [b"bytes", object(), "\udc80"])
def test_what_cant_be_told_is_an_error_of_the_tool(client, gateway, value):
    """Bytes, objects and text that is no Unicode are told to the model as failures, and the run goes on."""
    assert result_of(client, gateway, lambda: value).is_error


def test_a_result_has_a_bound(client, gateway):
    """Texts of a result have at most 1 Mi characters together; the model is told what is left out."""
    assert told(result_of(client, gateway, lambda: "a" * MOST_RETURNED)) == "a" * MOST_RETURNED
    long = v1.Text(text="b" * MOST_RETURNED)
    cut = result_of(client, gateway, lambda: [long, PICTURE, v1.Text(text="c" * 1_234)])
    assert [block.WhichOneof("kind") for block in cut.blocks] == ["text", "media", "text"]
    assert cut.blocks[0].text == long
    assert cut.blocks[2].text.text == "\n[cut: 1,234 of 1,234 characters are left out here; ask for less]"
    assert not cut.is_error


def test_a_failure_that_is_no_unicode_does_not_end_the_run(client, gateway):
    """The name of a file in a failure may hold bytes that are no text; they are told with backslashes."""

    def fails() -> None:
        raise FileNotFoundError("a\udcff.txt")

    assert told(result_of(client, gateway, fails)) == "FileNotFoundError: a\\udcff.txt"


def test_a_hook_without_words_is_named(client, gateway):
    """An on_tool_error that gives no text ends the run with a TypeError that names it."""

    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(TypeError, match="on_tool_error: text, not NoneType"):
        result_of(client, gateway, fails, on_tool_error=lambda call, error: None)


async def test_a_stop_iteration_in_a_thread_is_told():
    """next() of nothing in a plain function is a failure of the tool, and no wait until the deadline."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=30) as client:

        def tool() -> str:
            return next(iter(()))

        play(gateway, turn("", [CALL]), turn("Done."))
        async with asyncio.timeout(15):
            assert (await client.run("m", "Hi", tools=[tool]).collect()).text == "Done."
        assert "StopIteration" in told(results(gateway.last.request)[0])


def test_a_paused_turn_goes_on(client, gateway):
    """A turn that the provider paused is asked again with what it said, and counts as a turn."""
    play(gateway, turn("One, ", reason=v1.FINISH_REASON_PAUSED), turn("two."))
    with client.run("m", "Count.", tools=[]) as run:
        assert "".join(run.text) == "One, two."
    assert [message.role for message in gateway.last.request.messages] == [v1.ROLE_USER, v1.ROLE_ASSISTANT]
    assert (len(run.turns), run.usage.output_tokens) == (2, 2)


def test_a_choice_that_forces_a_call_holds_until_one_was_made(client, gateway):
    """A v1.ToolChoice keeps all but its mode, and the caller's own is not changed."""
    choice = v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_REQUIRED, allowed_tools=["tool"])
    result_of(client, gateway, lambda: "x", tool_choice=choice)
    first, second = [call.request.tool_choice for call in gateway.calls]
    assert first == choice
    assert second == v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO, allowed_tools=["tool"])
    assert choice.mode == v1.TOOL_CHOICE_MODE_REQUIRED


class Held:
    """A stream whose start waits, as it does while all connections are full."""

    def __init__(self, stream):
        self.stream, self.entered, self.go = stream, threading.Event(), threading.Event()

    def __enter__(self):
        self.entered.set()
        assert self.go.wait(10)
        return self.stream.__enter__()

    def __exit__(self, *raised):
        self.stream.__exit__(*raised)

    def close(self):
        self.stream.close()

    usage = None


def test_closing_a_run_whose_turn_is_about_to_start_sends_nothing(client, gateway, monkeypatch):
    """`close` from another thread reaches a turn that waits for its start: Cancelled, and no call is made."""
    held, failures, stream = [], [], client.stream
    started = threading.Event()

    def slow(**named):
        held.append(Held(stream(**named)))
        started.set()
        return held[0]

    monkeypatch.setattr(client, "stream", slow)
    run = client.run("m", "Hi", tools=[])

    def read():
        try:
            run.collect()
        except trunkline.Cancelled as failure:
            failures.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    assert started.wait(10)
    assert held[0].entered.wait(10)
    run.close()
    held[0].go.set()
    reader.join(10)
    assert (len(failures), len(gateway.calls)) == (1, 0)


async def test_a_run_of_asyncio_shows_steps_text_and_events():
    """steps, text and iteration give what those of threads give; each goes through all turns."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=30) as client:

        async def tool() -> str:
            return "x"

        def run():
            play(gateway, turn("Let me see. ", [CALL]), turn("Done."))
            return client.run("m", "Hi", tools=[tool])

        steps = [type(step).__name__ async for step in run().steps]
        assert [name for name in steps if name != "StreamEvent"] == ["ToolCall", "ToolResult"]
        assert [piece async for piece in run().text] == ["Let me see. ", "Done."]
        assert len([event async for event in run()]) == steps.count("StreamEvent")


async def test_no_more_than_sixteen_functions_run_at_once():
    """Of 20 calls in one turn 16 run; the others start as places become free."""
    async with fake.Gateway() as gateway, trunkline.AsyncClient(gateway.target, timeout=30) as client:
        running, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

        async def tool() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 16:
                full.set()
            await go.wait()
            running -= 1

        play(gateway, turn("", [(str(number), "tool", {}) for number in range(20)]), turn("Done."))
        reader = asyncio.create_task(client.run("m", "Hi", tools=[tool]).collect())
        await asyncio.wait_for(full.wait(), 10)
        for _ in range(100):  # whatever else could start has had its chance
            await asyncio.sleep(0)
        assert running == 16
        go.set()
        assert (await reader).text == "Done."
        assert (most, len(results(gateway.last.request))) == (16, 20)
