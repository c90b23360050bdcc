"""SIGTERM under load, and a bad file under load: nobody is broken off."""

import asyncio
import time

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

import trunkline
from tests.fakes import provider as fake
from tests.processes import serving
from tests.running import ask, completion, models, one_provider
from trunkline import v1
from trunkline.fold import fold

STREAMS = 50


@pytest.fixture
async def provider():
    async with fake.FakeProvider(fake.stream_text("to the very end", chunks=15, interval_s=0.1)) as one:
        yield one


async def whole(stub):
    """The text of a stream that came to its end."""
    events = [event async for message in stub.StreamComplete(ask()) for event in message.events]
    return fold(events).message.blocks[0].text.text


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_sigterm_breaks_no_stream_within_the_grace(provider, tmp_path, workers):
    """Fifty streams that run at SIGTERM end whole, an open health watch holds nothing up, and the exit code is 0."""
    async with serving(tmp_path, one_provider(provider.base_url), "--workers", workers) as gateway:
        channels = [gateway.channel() for _ in range(5)]
        streams = [asyncio.create_task(whole(completion(channels[n % 5]))) for n in range(STREAMS)]
        watch = HealthStub(channels[0]).Watch(HealthCheckRequest())
        assert (await watch.read()).status == HealthCheckResponse.SERVING
        await provider.seen(STREAMS)
        gateway.stop()
        assert (await watch.read()).status == HealthCheckResponse.NOT_SERVING
        assert await asyncio.gather(*streams) == ["to the very end"] * STREAMS
        ended_at = time.monotonic()
        assert await asyncio.wait_for(gateway.process.wait(), 10) == 0
        assert time.monotonic() - ended_at < 3
        for channel in channels:
            await channel.close()


async def test_new_calls_are_turned_away_while_open_ones_end(provider, tmp_path):
    """A drained gateway refuses with UNAVAILABLE, which clients take to another."""
    async with serving(tmp_path, one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        stream = asyncio.create_task(whole(completion(channel)))
        await provider.seen(1)
        gateway.stop()
        async with asyncio.timeout(2):
            while True:
                try:
                    async with gateway.channel() as other:
                        await completion(other).Complete(ask(model="none"), timeout=1)
                except grpc.aio.AioRpcError as error:
                    if error.code() == grpc.StatusCode.UNAVAILABLE:
                        break
                await asyncio.sleep(0.02)
        assert await stream == "to the very end"


async def test_a_gateway_that_goes_costs_no_call_where_another_stays(provider, tmp_path):
    """Forty callers of the shipped client lose nothing while one of two gateways takes its leave."""
    provider.script = fake.chat(text="one of many")
    document = one_provider(provider.base_url)
    folders = [tmp_path / name for name in ("goes", "stays")]
    for folder in folders:
        folder.mkdir()
    gone = asyncio.Event()
    async with serving(folders[0], document) as goes, serving(folders[1], document) as stays:

        async def caller(client):
            texts = set()
            while not gone.is_set():
                texts.add((await client.complete("m", "hello")).text)
            return texts | {(await client.complete("m", "hello")).text}

        async with trunkline.AsyncClient(f"ipv4:{goes.target},{stays.target}", timeout=20) as client:
            callers = [asyncio.create_task(caller(client)) for _ in range(40)]
            await provider.seen(400)
            goes.stop()
            assert await asyncio.wait_for(goes.process.wait(), 10) == 0
            gone.set()
            assert await asyncio.gather(*callers) == [{"one of many"}] * 40


async def test_a_bad_file_under_load_changes_nothing(provider, tmp_path):
    """Calls before, during and after are served; the log names the mistake; a good file is in force soon."""
    document = one_provider(provider.base_url)
    async with serving(tmp_path, document) as gateway, gateway.channel() as channel:
        stream = asyncio.create_task(whole(completion(channel)))
        await provider.seen(1)
        good = gateway.config.read_text()
        gateway.config.write_text(good.replace("dialect: openai", "dialect: opnai"))
        async with asyncio.timeout(5):
            while "opnai" not in gateway.log.read_text():
                await asyncio.sleep(0.05)
        assert await whole(completion(channel)) == await stream == "to the very end"
        gateway.config.write_text(good.replace("  m:", "  renamed:"))
        async with asyncio.timeout(5):
            while [one.name for one in (await models(channel).ListModels(v1.ListModelsRequest())).models] != [
                "renamed"
            ]:
                await asyncio.sleep(0.05)
        assert len(gateway.children("trunkline_server.worker")) == 1
        assert gateway.log.read_text().count("is back") == 0
