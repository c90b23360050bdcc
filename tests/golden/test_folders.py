"""What a folder that is no exchange is told."""

import json
import shutil
from pathlib import Path

import pytest

from tests.golden import eventstream
from tests.golden.folders import HERE, find


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case of its own, of a dialect that stands by itself."""
    shutil.copytree(HERE / "openai" / "text", tmp_path / "openai" / "text")
    shutil.copy(HERE / "openai" / "deployment.json", tmp_path / "openai")
    return tmp_path / "openai" / "text"


def problem(case: Path) -> str:
    """The one thing that is wrong."""
    [told] = find(case.parent.parent).problems
    return told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("source.md", "openai/text: there is no source.md"),
        ("request.json", "openai/text: there is no request.json"),
        ("../deployment.json", "openai/text: there is no deployment.json, neither here nor in openai/"),
    ],
)
def test_missing_file(case: Path, name: str, told: str) -> None:
    """A case that lacks a file is told which, and the other cases are still found."""
    shutil.copytree(HERE / "local", case.parent.parent / "local")
    (case / name).unlink()
    assert problem(case) == told
    assert [each.name for each in find(case.parent.parent).exchanges][:1] == ["local/characters"]


def test_missing_answer(case: Path) -> None:
    """Where one of several files would do, all are named."""
    for name in ("upstream_response.json", "upstream_response.sse"):
        (case / name).unlink()
    names = "upstream_response.json or upstream_response.sse or upstream_response.eventstream.json"
    assert problem(case) == f"openai/text: there is no {names}"


@pytest.mark.parametrize("verb", ["embed", "count"])
def test_other_verbs(case: Path, verb: str) -> None:
    """A folder may hold an embedding or a count in place of a completion; its files are looked for by that."""
    for name in ("events.json", "upstream_request.stream.json", "upstream_response.sse"):
        (case / name).unlink()
    (case / "request.json").rename(case / f"{verb}_request.json")
    assert problem(case) == f"openai/text: there is no {verb}_response.json or error.json"
    (case / f"{verb}_request.json").write_text('{"model": "m"}')
    (case / "response.json").rename(case / f"{verb}_response.json")
    [exchange] = find(case.parent.parent).exchanges
    assert (exchange.verb, exchange.request.model) == (verb, "m")


def test_frames_become_an_event_stream(case: Path) -> None:
    """Frames that a person can read become the binary stream that AWS sends."""
    (case / "upstream_response.sse").unlink()
    frames = [{"headers": {":event-type": "messageStart"}, "payload": {"role": "assistant"}}]
    (case / "upstream_response.eventstream.json").write_text(json.dumps(frames))
    [exchange] = find(case.parent.parent).exchanges
    assert exchange.stream == eventstream.encode(frames)
    assert exchange.streamed == tuple(frames)


def test_own_address(case: Path) -> None:
    """A provider whose base_url is left out is where its dialect says."""
    (case / "deployment.json").write_text(json.dumps({"provider": "openai", "upstream_model": "m"}))
    [exchange] = find(case.parent.parent).exchanges
    assert str(exchange.deployment.provider.endpoint) == "https://api.openai.com"


def test_unknown_dialect(case: Path) -> None:
    """A folder of a dialect that nobody speaks is told, not passed over."""
    case.parent.rename(case.parent.parent / "morse")
    assert problem(case).startswith("morse: no dialect of this name in providers/registry.py; it has ")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("request.json", "{", "openai/text: request.json is not JSON"),
        ("request.json", '{"modle": "m"}', "openai/text: Message type"),
        ("notes.txt", "", "openai/text: notes.txt: not a file of an exchange; it has"),
        ("deployment.json", "{}", "openai/text: deployment.json has []; it needs"),
    ],
)
def test_wrong_file(case: Path, name: str, text: str, told: str) -> None:
    """A file that can't be read, or that nothing reads, is told by its name."""
    (case / name).write_text(text)
    assert problem(case).startswith(told)


def test_deployment_of_a_case(case: Path) -> None:
    """A case may ask another provider of the same dialect."""
    who = {"provider": "nimbus", "base_url": "https://nimbus.example:8443/api", "upstream_model": "cirrus"}
    (case / "deployment.json").write_text(json.dumps({**who, "settings": {"max_tokens_key": "max_tokens"}}))
    [exchange] = find(case.parent.parent).exchanges
    deployment = exchange.deployment
    assert (deployment.provider.name, deployment.upstream_model) == ("nimbus", "cirrus")
    assert str(deployment.provider.endpoint) == "https://nimbus.example:8443"
    assert (deployment.provider.base_path, deployment.provider.settings) == ("/api", {"max_tokens_key": "max_tokens"})
