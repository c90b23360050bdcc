"""Callers who take more than their share: each is refused with a reason and a delay, and others are served."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from tests.fakes import provider as fake
from tests.frames import COMPLETE, Wire, framed, told
from tests.frames import reason as reason_of
from tests.running import ask, completion, detail, one_provider, reason, running, trailer
from trunkline_server.config.settings import Settings
from trunkline_server.engine import health as watches
from trunkline_server.engine import intake, reflection
from trunkline_server.worker import server_for

MIB = 1024 * 1024


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url)) as one:
        yield one


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def assert_overloaded(error):
    """Code, reason, and one delay told in both ways."""
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    delay = detail(error, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds()
    assert 50 <= delay <= 250
    assert trailer(error, "grpc-retry-pushback-ms") == str(delay)


async def refused(awaitable):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    assert_overloaded(caught.value)
    return caught.value


async def test_one_connection_does_not_get_all_calls(provider):
    """Its call above the bound is refused, another connection's is served, and its places come back."""
    limits = {"max_calls": 100, "max_calls_per_connection": 3}
    async with running(one_provider(provider.base_url), **limits) as gateway, gateway.channel() as other:
        async with await Wire.connect(gateway.target) as greedy:
            for number in range(3):
                greedy.head(2 * number + 1)
            await until(lambda: len(gateway.app.calls) == 3)
            greedy.head(7)
            ending = await greedy.ending(7)
            assert (ending["grpc-status"], reason_of(ending)) == ("8", "OVERLOADED")
            delay = told(ending, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds()
            assert ending["grpc-retry-pushback-ms"] == str(delay)
            assert (await completion(other).Complete(ask())).finished
            greedy.body(1, framed(ask()))
            assert (await greedy.ending(1))["grpc-status"] == "0"
            await until(lambda: len(gateway.app.calls) == 2)
            greedy.head(9)
            greedy.body(9, framed(ask()))
            assert (await greedy.ending(9))["grpc-status"] == "0"
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


async def test_callers_on_a_unix_socket_are_not_one_caller(provider, tmp_path):
    """Their connections can't be told apart, so that the bound of one connection is not held against all."""
    limits = {"max_calls": 5, "max_calls_per_connection": 1}
    provider.script = fake.silent()
    async with running(one_provider(provider.base_url), **limits) as gateway:
        path = f"unix:{tmp_path}/s"
        server = server_for(gateway.app, Settings(**limits), share_port=False)
        server.add_insecure_port(path)
        await server.start()
        async with grpc.aio.insecure_channel(path) as channel:
            calls = [completion(channel).Complete(ask()) for _ in range(5)]
            await until(lambda: len(gateway.app.calls) == 5)
            await refused(completion(channel).Complete(ask()))
            for call in calls:
                call.cancel()
            await asyncio.wait_for(gateway.app.calls.all_ended(), 2)
        await server.stop(0)


async def test_one_connection_does_not_get_all_watches(gateway):
    """It has its bound; balancers on other connections watch on, and its places come back."""
    async with gateway.channel() as greedy, gateway.channel() as other:
        most = watches.MAX_WATCHES_PER_CONNECTION
        open_ones = [HealthStub(greedy).Watch(HealthCheckRequest()) for _ in range(most)]
        for one in open_ones:
            assert (await one.read()).status == HealthCheckResponse.SERVING
        await refused(HealthStub(greedy).Watch(HealthCheckRequest()).read())
        assert (await HealthStub(other).Watch(HealthCheckRequest()).read()).status == HealthCheckResponse.SERVING
        open_ones[0].cancel()
        await until(lambda: len(gateway.app.calls) == most)
        again = HealthStub(greedy).Watch(HealthCheckRequest())
        assert (await again.read()).status == HealthCheckResponse.SERVING


async def test_one_connection_does_not_get_all_reflection_streams(gateway):
    """Nor is there more than a few of them in all."""
    listing = ServerReflectionRequest(list_services="")
    async with gateway.channel() as greedy, gateway.channel() as other:
        for _ in range(reflection.MAX_STREAMS_PER_CONNECTION):
            stream = ServerReflectionStub(greedy).ServerReflectionInfo()
            await stream.write(listing)
            assert (await stream.read()).list_services_response.service
        more = ServerReflectionStub(greedy).ServerReflectionInfo()
        await more.write(listing)
        await refused(more.read())
        stream = ServerReflectionStub(other).ServerReflectionInfo()
        await stream.write(listing)
        assert (await stream.read()).list_services_response.service


async def test_a_reflection_stream_that_asks_nothing_ends(provider, monkeypatch):
    """It is told so; whoever wants more asks anew."""
    monkeypatch.setattr(reflection, "IDLE_S", 0.2)
    async with running(one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        stream = ServerReflectionStub(channel).ServerReflectionInfo()
        await stream.write(ServerReflectionRequest(list_services=""))
        assert await stream.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(stream.read(), 2)
        assert (caught.value.code(), reason(caught.value)) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "DEADLINE_EXCEEDED",
        )
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


async def test_requests_that_come_in_slowly_have_few_places(provider, monkeypatch):
    """The first ones may go on, the others are refused, and quick requests pass all the while."""
    monkeypatch.setattr(intake, "SLOW_AFTER_S", 0.2)
    async with running(one_provider(provider.base_url), max_slow_requests=8) as gateway, gateway.channel() as channel:
        wires = [await Wire.connect(gateway.target) for _ in range(6)]
        for wire in wires:  # 18 requests of which two on each connection, and eight in all, get a place
            for stream in (1, 3, 5):
                wire.head(stream)
                wire.body(stream, framed(ask())[:20], end=False)
        await until(lambda: len(gateway.app.calls) == 8)
        endings = [await wire.ending(5) for wire in wires]
        assert {reason_of(ending) for ending in endings} == {"OVERLOADED"}
        assert all(told(ending, error_details_pb2.RetryInfo) for ending in endings)
        assert (await completion(channel).Complete(ask())).finished
        wires[0].body(1, framed(ask())[20:])
        assert (await wires[0].ending(1))["grpc-status"] == "0"
        for wire in wires:
            await wire.__aexit__()
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)


def large(size):
    return ask("x" * size)


async def test_large_requests_are_held_up_to_a_bound_and_small_ones_beside_them(provider):
    """Four MiB of six are held by a call that runs: as many more are refused at once, and a small request passes."""
    limits = {"max_receive_message_bytes": 5 * MIB, "max_held_request_bytes": 6 * MIB}
    provider.script = fake.silent()
    async with running(one_provider(provider.base_url), **limits) as gateway, gateway.channel() as channel:
        first = completion(channel).Complete(large(4 * MIB))
        await provider.seen(1)
        error = await refused(completion(channel).Complete(large(4 * MIB)))
        assert "bytes" in error.details()
        provider.script = fake.chat(text="ok")
        assert (await completion(channel).Complete(ask())).finished
        first.cancel()
        await asyncio.wait_for(gateway.app.calls.all_ended(), 2)
        assert (await completion(channel).Complete(large(4 * MIB))).finished


async def test_a_call_that_stops_half_way_is_given_back(gateway):
    """A health check as any other: with a reason if its caller ends it, and without a trace if the connection goes."""
    async with await Wire.connect(gateway.target) as wire:
        wire.head(1, _path="/grpc.health.v1.Health/Check")
        wire.body(1, b"\0\0\0\0\5ab", end=True)
        ending = await wire.ending(1)
        assert (ending["grpc-status"], reason_of(ending)) == ("3", "MALFORMED_MESSAGE")
    async with await Wire.connect(gateway.target) as wire:
        wire.head(1, _path=COMPLETE)
        await until(lambda: len(gateway.app.calls) == 1)
    await asyncio.wait_for(gateway.app.calls.all_ended(), 2)
