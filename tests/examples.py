"""A world in which the examples of pages and docstrings run as they stand: a gateway, a provider, and some files.

The gateway has the models "fast" and "vectors". Its provider calls the first tool that it is given with arguments that
fit, keeps to the schema of a response, takes for ever over "Write a novel." and makes vectors of two numbers. It speaks
OpenAI's way, so that OpenAI's own client can be pointed at it too.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import re
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
import trustme

import trunkline
from tests.fakes import provider as fake
from tests.fakes.gateway import Gateway
from tests.running import one_provider, running
from trunkline import v1

ROOT = Path(__file__).parents[1]
WORDS = {"country": "France"}
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXAMPLE = "For example:\n"


def sample(schema: Any, root: Any = None, name: str = "") -> Any:
    """A value that fits a JSON Schema, as far as examples need one: the city is Paris, and the number 42."""
    root = schema if root is None else root
    if "$ref" in schema:
        return sample(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], root, name)
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {"city": {"type": "string"}})
            return {key: sample(inner, root, key) for key, inner in members.items()}
        case "array":
            return [sample(schema.get("items", {"type": "string"}), root, name)]
        case "integer" | "number":
            return 42
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return WORDS.get(name, "Paris")


async def answer(request: fake.SeenRequest, send: fake.Reply) -> None:
    """What the provider does."""
    asked = request.json
    if request.target.endswith("/embeddings"):
        await send(200, _vectors(asked["input"]), {"content-type": "application/json"})
        return
    last = asked["messages"][-1]
    if last["content"] == "Write a novel.":
        await send.stall()
    if asked.get("tools") and last["role"] == "user":
        function = asked["tools"][0]["function"]
        arguments = json.dumps(sample(function.get("parameters") or {"type": "object"}))
        script = fake.chat(text="", tool_calls=(("call_1", function["name"], arguments),), finish_reason="tool_calls")
    elif "json_schema" in asked.get("response_format", ()):
        script = fake.chat(text=json.dumps(sample(asked["response_format"]["json_schema"]["schema"])))
    elif last["role"] == "tool":
        script = fake.chat(text=f"Take one: {last['content']}")
    else:
        script = fake.chat(text="Hello there")
    await script(request, send)


def _vectors(texts: str | list[str]) -> bytes:
    texts = [texts] if isinstance(texts, str) else texts
    data = [{"object": "embedding", "index": index, "embedding": [0.5, 0.25]} for index in range(len(texts))]
    usage = {"prompt_tokens": 2 * len(texts), "total_tokens": 2 * len(texts)}
    return json.dumps({"object": "list", "model": "fake-vectors", "data": data, "usage": usage}).encode()


def _fill(folder: Path) -> None:
    """The files that examples name."""
    (folder / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n and a cat")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7 and a report")
    (folder / "memo.wav").write_bytes(b"RIFF\0\0\0\0WAVE and a voice")
    (folder / "notes.md").write_text("# Notes\nAll is well.\n")
    authority = trustme.CA()
    client = authority.issue_cert("client.example")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")


class RememberingGateway(Gateway):
    """A gateway that keeps idempotency keys, and knows how earlier calls ended: well."""

    async def GetOutcome(self, request, context):  # noqa: N802
        told = v1.GetOutcomeResponse(request_id=request.request_id or "poem-1", state=v1.OUTCOME_STATE_ENDED)
        told.finished.usage.output_tokens = 12
        return told


@contextlib.asynccontextmanager
async def remembering(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A gateway that remembers in the place of the world's."""
    async with RememberingGateway() as gateway:
        monkeypatch.setenv("TRUNKLINE_TARGET", gateway.target)
        yield


@contextlib.asynccontextmanager
async def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[fake.FakeProvider]:
    """The world. It is where the environment and the working directory say."""
    _fill(folder)
    monkeypatch.chdir(folder)
    async with fake.FakeProvider(answer) as provider:
        document = one_provider(provider.base_url)
        vectors = {"deployments": [{"provider": "vectors", "upstream_model": "fake-vectors"}]}
        document["models"] = {"fast": document["models"]["m"], "vectors": vectors}
        # A dialect that knows what vectors are for.
        document["providers"]["vectors"] = {**document["providers"]["fake"], "dialect": "openrouter"}
        async with running(document) as gateway:
            monkeypatch.setenv("TRUNKLINE_TARGET", gateway.target)
            monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.base_url}/v1")
            monkeypatch.setenv("OPENAI_API_KEY", "sk-example")
            yield provider


async def run(*blocks: str) -> str:
    """Runs blocks one after the other, as a reader would, and gives what they print."""
    printed, names = io.StringIO(), dict[str, Any]({"__name__": "__main__"})

    def all_of_them() -> None:
        with contextlib.redirect_stdout(printed):
            for block in blocks:
                exec(compile(block, "example", "exec"), names)
        for value in names.values():
            if isinstance(value, trunkline.Client):
                value.close()

    await asyncio.to_thread(all_of_them)
    return printed.getvalue()


def blocks_of(page: str) -> list[str]:
    """The Python on a page, in its order."""
    return _PYTHON.findall((ROOT / page).read_text())


def example_of(documented: Any) -> str:
    """The code behind "For example:" in a docstring; empty if there is none."""
    _, _, code = (inspect.getdoc(documented) or "").partition(_EXAMPLE)
    lines = list(_indented(code.splitlines()))
    return textwrap.dedent("\n".join(lines)).strip() + "\n" if lines else ""


def _indented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line and not line.startswith(" "):
            return
        yield line


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A public name and what it names."""

    name: str
    value: Any
    owner: Any
    """The class of a method or property; None for names of the package."""

    @property
    def example(self) -> str:
        return example_of(self.value)


def public_names() -> list[Documented]:
    """Every name of the package, and every public method and property of its classes.

    Generated messages and aliases of types have no docstrings of their own.
    """
    found = []
    for name in sorted(set(trunkline.__all__) - {"v1"}):
        value = getattr(trunkline, name)
        if isinstance(value, UnionType):
            continue
        found.append(Documented(name=name, value=value, owner=None))
        if isinstance(value, type):
            found += [Documented(name=f"{name}.{key}", value=each, owner=value) for key, each in _members(value)]
    return found


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """What this class itself, or a private base of it, defines."""
    for base in kind.__mro__:
        if base is kind or base.__name__.startswith("_"):
            for key, value in vars(base).items():
                if not key.startswith("_") and (isinstance(value, property) or callable(value)):
                    yield key, value


def attributes_read(code: str) -> set[str]:
    """Names that stand behind a dot in this code."""
    return {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)}
