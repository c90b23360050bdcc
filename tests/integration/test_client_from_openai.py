"""The page for those who come from OpenAI's SDK: both sides of every pair run."""

import re

import openai
import pytest

import trunkline
from tests.examples import ROOT, blocks_of, run, world

PAGE = "docs/from-openai.md"


@pytest.fixture
async def provider(monkeypatch, tmp_path):
    async with world(tmp_path, monkeypatch) as one:
        yield one


async def test_both_sides_of_every_pair_say_the_same(provider):
    """OpenAI's client, pointed at the provider, and ours, pointed at the gateway before it, print the same."""
    printed = await run(*blocks_of(PAGE))
    for line in ("Hello there 12\n", "Paris\n", "Take one: Rain in Paris.\n", "0.5 4\n"):
        assert printed.count(line) >= 2, line
    assert printed.count("Hello there") >= 5
    assert "MODEL_NOT_FOUND" in printed
    agents = [each.headers.get("user-agent", "") for each in provider.requests]
    assert sum(agent.startswith("OpenAI/Python") for agent in agents) == 7


def test_every_error_of_the_table_is_there():
    """Each class that the page names on either side is one of its package."""
    rows = [row.split("|") for row in (ROOT / PAGE).read_text().splitlines() if "Error`" in row and row[0] == "|"]
    assert len(rows) == 10
    for _, theirs, ours, _ in rows:
        for name in _classes(theirs):
            assert issubclass(getattr(openai, name), openai.APIError)
        for name in _classes(ours):
            assert issubclass(getattr(trunkline, name), trunkline.TrunklineError)


def _classes(cell: str) -> list[str]:
    """Names of classes in a cell, with or without their package."""
    return re.findall(r"`(?:openai\.|trunkline\.)?([A-Z][a-z]+[A-Za-z]*)`", cell)
