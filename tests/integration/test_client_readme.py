"""What the client's page shows, run against the gateway with a provider behind it, and what help() lists."""

import inspect
import re

import pytest

import trunkline
from tests.examples import blocks_of, run, world
from trunkline.aio import AsyncClient
from trunkline.client import Client

PAGE = "clients/python/README.md"


@pytest.fixture
async def provider(monkeypatch, tmp_path):
    async with world(tmp_path, monkeypatch) as one:
        yield one


async def test_every_block_of_the_page_runs(provider):
    """All Python on the page runs in its order and prints what the gateway answers."""
    blocks = blocks_of(PAGE)
    assert len(blocks) == 20
    printed = await run(*blocks)
    assert printed.count('Take one: {"sky":"rain","city":"Paris"}') == 2
    assert 'Take one: {"sky": "rain", "city": "Paris"}' in printed
    assert "\nParis France\n" in printed
    assert "\nParis\n" in printed
    assert "MODEL_NOT_FOUND" in printed
    assert "DEADLINE_EXCEEDED" in printed
    assert "\nSERVING Client(" in printed
    assert "['Hello there', 'Hello there', 'Hello there']" in printed


async def test_files_of_the_page_reach_the_provider(provider):
    """The picture, the PDF and the text that the page names are in what the provider is asked."""
    await run(*blocks_of(PAGE)[:6])
    asked = "".join(each.body.decode() for each in provider.requests)
    for part in ("data:image/png;base64,", "data:application/pdf;base64,", "All is well."):
        assert part in asked


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["complete", "stream"])
def test_help_lists_every_option(kind, name):
    """help() of both methods of both clients names every option, and CompletionOptions explains each."""
    shown, explained = inspect.getdoc(getattr(kind, name)), inspect.getdoc(trunkline.CompletionOptions)
    for option in trunkline.CompletionOptions.__annotations__:
        assert re.search(rf"\b{option}\b", shown)
        assert re.search(rf"^{option}: ", explained, re.MULTILINE)
