"""`trunkline serve` and `trunkline version` as people type them."""

import asyncio
import json
import os
import signal
import socket
import sys
from importlib import metadata

import grpc
import pytest

from tests.fakes.supervised import PLAIN
from trunkline import v1
from trunkline.v1.models_pb2_grpc import ModelsStub


def clean_environ(**more):
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")} | more


async def start(*words, cwd, **environ):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "trunkline_server", *words),
        cwd=cwd,
        env=clean_environ(**environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_options_win_over_the_environment(tmp_path):
    """`serve` with options listens where they say and serves the file they name, whatever the environment has."""
    (tmp_path / "mine.yaml").write_text(PLAIN % "fast")
    words = ("--config", "mine.yaml", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--probe-listen", "")
    process = await start(
        *("serve", *words, "--ready-file", "ready.json", "--log-json"),
        cwd=tmp_path,
        TRUNKLINE_CONFIG="absent.yaml",
        TRUNKLINE_LISTEN="nonsense",
        TRUNKLINE_WORKERS="2",
    )
    try:
        async with asyncio.timeout(20):
            while True:
                event = json.loads(await process.stderr.readline())
                if event["message"].startswith("serving on"):
                    break
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert event["message"] == f"serving on {', '.join(ready['listen'])}, 2 workers, no probes"
        for address in ready["listen"]:
            async with grpc.aio.insecure_channel(address) as channel:
                answer = await ModelsStub(channel).ListModels(v1.ListModelsRequest(), timeout=10)
            assert [model.name for model in answer.models] == ["fast"]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def test_what_can_not_be_is_told_by_the_name_under_which_it_was_given(tmp_path):
    """A bad option is named as an option, a bad variable as a variable, and the code is 2."""
    process = await start("serve", "--workers", "2x", "--listen", "foo", cwd=tmp_path, TRUNKLINE_DRAIN_GRACE_S="x")
    _, told = await process.communicate()
    assert process.returncode == 2
    names = [line.partition(":")[0] for line in told.decode().splitlines()]
    assert names == ["--listen", "--workers", "TRUNKLINE_DRAIN_GRACE_S"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "2x"], ["--workers"]),
        (["--config", "none.yaml"], ["none.yaml"]),
        (["--probe-listen", "{taken}"], ["--probe-listen"]),
        (["--listen", "{taken}"], ["--listen"]),
    ],
)
async def test_a_start_that_fails_is_told_in_json_where_the_log_is_json(tmp_path, words, told):
    """With --log-json each line on stderr is an object, whatever keeps the gateway from starting."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        given = [word.format(taken=taken) for word in words]
        process = await start("serve", "--log-json", *given, cwd=tmp_path, TRUNKLINE_LISTEN="127.0.0.1:0")
        _, lines = await process.communicate()
    assert process.returncode in (1, 2)
    events = [json.loads(line) for line in lines.decode().splitlines()]
    assert [event["message"].partition(":")[0] for event in events] == told


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
async def test_version_names_what_is_installed(tmp_path, words):
    """The versions of the gateway, the contract, Python and grpcio are shown."""
    process = await start("version", *words, cwd=tmp_path)
    told, _ = await process.communicate()
    assert process.returncode == 0
    if words:
        versions = json.loads(told)
    else:
        versions = {line.split()[0]: line.split()[1] for line in told.decode().splitlines()}
        assert versions["contract"] == "trunkline.v1"
    assert versions["trunkline-server"] == metadata.version("trunkline-server")
    assert versions["grpcio"] == grpc.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
