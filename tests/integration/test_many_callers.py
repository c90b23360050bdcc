"""One shipped client with a thousand calls at once, against the gateway as a process."""

import asyncio
import threading

import pytest

import trunkline
from tests.fakes import provider as fake
from tests.processes import serving
from tests.running import one_provider
from trunkline import v1

CALLS = 1000


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
