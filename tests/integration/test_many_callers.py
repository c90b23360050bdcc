"""One shipped client with many calls, against the gateway as processes.

`make prove-clients` makes more calls than fit into every run.
"""

import asyncio
import json
import os
import sys
import threading
from contextlib import asynccontextmanager

import psutil
import pytest

import trunkline
from tests.fakes import provider as fake
from tests.processes import serving
from tests.running import one_provider
from trunkline import v1

CALLS = 1000
CALLS_OF_PROGRAMS = int(os.environ.get("CLIENT_CALLS", "10000"))
CALLERS = {"threads": 50, "tasks": 500}
GROWTH_BYTES = 12_000_000
"""grpc.aio keeps about 0.8 KB of each call whose task is cancelled: 4 MB in these calls. A leak of one request more
would be above it, and so is grpc.aio's own when there are four times as many."""


@pytest.fixture
async def gateway(tmp_path):
    async with (
        fake.FakeProvider(fake.chat(text="one of many", chunks=3, interval_s=0.05)) as provider,
        serving(tmp_path, one_provider(provider.base_url)) as one,
    ):
        yield one


async def test_a_thousand_tasks_of_one_async_client_all_get_their_answer(gateway):
    """Unary and streamed: none UNAVAILABLE, none lost."""

    async def one(client, number):
        if number % 2:
            return (await client.complete("m", "hello")).text
        async with client.stream("m", "hello") as stream:
            return (await stream.collect()).text

    async with trunkline.AsyncClient(gateway.target, timeout=60) as client:
        texts = await asyncio.gather(*(one(client, number) for number in range(CALLS)))
    assert texts == ["one of many"] * CALLS


async def test_a_thousand_threads_of_one_client_all_get_their_answer(gateway):
    """The sync client holds to the same bounds, and waits where there is no room."""
    texts, failures = [], []

    def one(client):
        try:
            texts.append(client.complete("m", "hello").text)
        except Exception as error:  # noqa: BLE001 - counted below
            failures.append(error)

    def all_of_them():
        with trunkline.Client(gateway.target, timeout=60) as client:
            threads = [threading.Thread(target=one, args=(client,)) for _ in range(CALLS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    await asyncio.to_thread(all_of_them)
    assert failures == []
    assert texts == ["one of many"] * CALLS


async def test_an_ending_says_who_answered(gateway):
    """The attempt trail reaches the caller through the client."""
    async with trunkline.AsyncClient(gateway.target) as client:
        finished = (await client.complete("m", "hello")).response.finished
    assert [one.outcome for one in finished.attempts] == [v1.ATTEMPT_OUTCOME_SERVED]


@asynccontextmanager
async def program(kind, target, calls):
    """The many calls as a process of its own, with every warning an error; killed at the end if it still runs."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.callers", kind, target]
    pipe = asyncio.subprocess.PIPE
    # One heap: otherwise libc gives threads heaps of their own, which fill up at different times.
    environ = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, "--calls", str(calls), "--callers", str(CALLERS[kind]), stdout=pipe, stderr=pipe, env=environ
    )
    try:
        assert await process.stdout.readline() == b"half\n", (await process.stderr.read()).decode()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process):
    """What the program says of itself; it ends well and complains of nothing."""
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    return json.loads(out)


def without_bytes(held):
    return {name: count for name, count in held.items() if name != "bytes"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", list(CALLERS))
async def test_ten_thousand_calls_of_one_client_leave_nothing_behind(gateway, kind):
    """None is lost, also beside calls that are left, dropped or cut; no thread or file stays, and memory is flat."""
    async with program(kind, gateway.target, CALLS_OF_PROGRAMS) as process:
        end = await told(process)
    assert end["endings"] == {"answered": CALLS_OF_PROGRAMS}
    assert without_bytes(end["before"]) == without_bytes(end["warm"]) == without_bytes(end["after"])
    assert end["after"]["bytes"] - end["warm"]["bytes"] < GROWTH_BYTES


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", list(CALLERS))
async def test_calls_whose_worker_is_killed_end_with_an_answer_or_a_reason(tmp_path, kind):
    """Each call ends, those of the killed worker with UNAVAILABLE at worst, and nothing stays in the caller."""
    calls = CALLS_OF_PROGRAMS // 4
    async with (
        fake.FakeProvider(fake.chat(text="one of many", chunks=3, interval_s=0.005)) as provider,
        serving(tmp_path, one_provider(provider.base_url), "--workers", "2") as gateway,
        program(kind, gateway.target, calls) as process,
    ):
        one, other = gateway.children("trunkline_server.worker")
        max((one, other), key=_connections).kill()
        end = await told(process)
    endings = end["endings"]
    assert sum(endings.values()) == calls
    assert endings.keys() <= {"answered", "UNAVAILABLE"}
    assert endings["answered"] >= calls * 0.8
    assert without_bytes(end["before"]) == without_bytes(end["after"])


def _connections(worker: psutil.Process) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in worker.net_connections("tcp"))
