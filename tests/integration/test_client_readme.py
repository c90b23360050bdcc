"""What the client's page and docstrings show, run against the gateway with a provider behind it."""

import asyncio
import contextlib
import inspect
import io
import json
import re
import textwrap
from pathlib import Path

import pytest

import trunkline
from tests.fakes import provider as fake
from tests.running import one_provider, running
from trunkline.aio import AsyncClient
from trunkline.client import Client

PAGE = Path(__file__).parents[2] / "clients/python/README.md"
BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CALL = ("call_1", "get_weather", '{"city": "Paris"}')
PLACE = {"city": "Paris", "country": "France"}


async def answer(request, send):
    """A provider that calls the tool it is given, keeps to a schema, and takes for ever over a novel."""
    asked, last = request.json, request.json["messages"][-1]
    if last["content"] == "Write a novel.":
        await send.stall()
    if asked.get("tools") and last["role"] == "user":
        script = fake.chat(text="", tool_calls=(CALL,), finish_reason="tool_calls")
    elif "response_format" in asked:
        script = fake.chat(text=json.dumps(PLACE))
    elif last["role"] == "tool":
        script = fake.chat(text=f"Take one: {last['content']}")
    else:
        script = fake.chat(text="Hello there")
    await script(request, send)


@pytest.fixture
async def provider(monkeypatch, tmp_path):
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    async with fake.FakeProvider(answer) as one:
        document = one_provider(one.base_url)
        document["models"] = {"fast": document["models"]["m"]}
        async with running(document) as gateway:
            monkeypatch.setenv("TRUNKLINE_TARGET", gateway.target)
            yield one


async def run(blocks):
    """Runs blocks one after the other, as a reader would, and gives what they print."""
    printed, names = io.StringIO(), {"__name__": "__main__"}

    def all_of_them():
        with contextlib.redirect_stdout(printed):
            for block in blocks:
                exec(compile(block, "block", "exec"), names)
        names["client"].close()

    await asyncio.to_thread(all_of_them)
    return printed.getvalue()


async def test_every_block_of_the_page_runs(provider):
    """All Python on the page runs in its order and prints what the gateway answers."""
    blocks = BLOCKS.findall(PAGE.read_text())
    assert len(blocks) == 10
    printed = await run(blocks)
    assert 'Take one: {"sky": "rain", "city": "Paris"}' in printed
    assert "MODEL_NOT_FOUND" in printed
    assert "DEADLINE_EXCEEDED" in printed
    assert "\nParis\n" in printed
    assert "['Hello there', 'Hello there', 'Hello there']" in printed
    pictures = [each for each in provider.requests if "image_url" in each.body.decode()]
    assert "data:image/png;base64," in pictures[0].body.decode()


TOLD = 'Take one: {"sky": "rain", "city": "Paris"}'


@pytest.mark.parametrize(
    ("method", "printed"), [(Client.complete, f"{TOLD}\nParis\nHello there\n"), (Client.stream, TOLD)]
)
async def test_examples_of_docstrings_run(provider, method, printed):
    """The example in a docstring runs as it stands."""
    _, _, example = inspect.getdoc(method).partition("For example:\n")
    assert await run([textwrap.dedent(example)]) == printed


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["complete", "stream"])
def test_help_lists_every_option(kind, name):
    """help() of both methods of both clients names every option, and CompletionOptions explains each."""
    shown, explained = inspect.getdoc(getattr(kind, name)), inspect.getdoc(trunkline.CompletionOptions)
    for option in trunkline.CompletionOptions.__annotations__:
        assert re.search(rf"\b{option}\b", shown)
        assert re.search(rf"^{option}: ", explained, re.MULTILINE)
