"""How calls are shared among several gateways, and what is tried again."""

import asyncio
import time
from contextlib import AsyncExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2

import trunkline
from tests.fakes import gateway as fake

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
async def pair():
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(fake.Gateway()) for _ in range(2)]


@pytest.fixture
async def client(pair):
    async with trunkline.AsyncClient("ipv4:" + ",".join(each.target for each in pair), timeout=20) as one:
        await until(one, pair, lambda: all(each.calls for each in pair))
        yield one


async def until(client, pair, happened):
    """Calls, one after the other, until it happened: gRPC learns of health and connections in its own time."""
    async with asyncio.timeout(10):
        while not happened():
            await client.complete("m", "Hi")


async def shares(client, pair, calls):
    """How many of so many calls each gateway got."""
    before = [len(each.calls) for each in pair]
    for _ in range(calls):
        await client.complete("m", "Hi")
    return [len(each.calls) - had for each, had in zip(pair, before, strict=True)]


async def test_calls_go_to_all_addresses_in_turn(pair, client):
    """Two gateways behind one target get half of the calls each."""
    assert await shares(client, pair, 20) == [10, 10]


async def test_a_gateway_that_is_not_serving_gets_no_new_calls(pair, client):
    """One that says NOT_SERVING is left alone while it does, and is used again when it serves."""
    pair[0].say(NOT_SERVING)
    quiet = 0
    async with asyncio.timeout(10):
        while quiet < 3:  # gRPC learns of it in its own time: two calls in turn to one gateway say that it has
            quiet = quiet + 1 if (await shares(client, pair, 2))[0] == 0 else 0
    assert await shares(client, pair, 20) == [0, 20]
    pair[0].say(SERVING)
    had = len(pair[0].calls)
    await until(client, pair, lambda: len(pair[0].calls) > had)
    assert await shares(client, pair, 20) == [10, 10]


async def test_a_gateway_that_dies_costs_no_call_and_is_used_again(pair, client):
    """Calls go on while one of two is away, and go to it once it is back at its address."""
    await pair[0].__aexit__()
    answers = await asyncio.gather(*(client.complete("m", "Hi") for _ in range(20)))
    assert {answer.text for answer in answers} == {"Hello"}
    await pair[0].__aenter__()
    had = len(pair[0].calls)
    await until(client, pair, lambda: len(pair[0].calls) > had)


@pytest.fixture
async def gateway():
    async with fake.Gateway() as one:
        yield one


def unavailable(pushback_ms, then, times=1):
    """Fails so many times with UNAVAILABLE and a pushback, then answers."""
    left = [times]
    refuse = fake.fail(grpc.StatusCode.UNAVAILABLE, "away", reason="DRAINING", pushback_ms=pushback_ms)

    async def complete(request, context):
        if left[0]:
            left[0] -= 1
            return await refuse(request, context)
        return await then(request, context)

    return complete


async def test_the_gateway_can_forbid_a_repeat(gateway):
    """A pushback of -1 means one try, and the gateway's own reason."""
    gateway.on_complete = unavailable(-1, fake.answer("Hello"))
    async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
        with pytest.raises(trunkline.Unavailable) as caught:
            await client.complete("m", "Hi")
    assert (caught.value.reason, len(gateway.calls)) == ("DRAINING", 1)


async def test_the_gateway_says_when_to_repeat(gateway):
    """A pushback in milliseconds is waited, instead of the client's own pause."""
    gateway.on_complete = unavailable(1_200, fake.answer("Hello"))
    async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
        began = time.monotonic()
        assert (await client.complete("m", "Hi")).text == "Hello"
    assert time.monotonic() - began >= 1.2
    assert len(gateway.calls) == 2


async def test_a_call_is_tried_four_times_at_most(gateway):
    """After four tries the failure is told."""
    gateway.on_complete = unavailable(10, fake.answer("Hello"), times=9)
    async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
        with pytest.raises(trunkline.Unavailable, match="away"):
            await client.complete("m", "Hi")
    assert len(gateway.calls) == 4


async def test_a_call_that_a_stopping_gateway_drops_is_repeated(gateway):
    """gRPC gives calls that wait in a server that stops a bare CANCELLED; they were not begun, and cost nothing."""
    left = [1]

    async def dropped(request, context):
        if left[0]:
            left[0] -= 1
            return await fake.fail(grpc.StatusCode.CANCELLED, "CANCELLED")(request, context)
        return await fake.answer("Hello")(request, context)

    gateway.on_complete = dropped
    async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
        assert (await client.complete("m", "Hi")).text == "Hello"
    assert len(gateway.calls) == 2


async def test_nothing_is_repeated_after_the_first_message(gateway):
    """A stream that failed with UNAVAILABLE after a part of the answer is never sent again, pushback or not."""
    gateway.on_stream = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=unavailable(10, fake.silence))
    async with trunkline.AsyncClient(gateway.target, timeout=20) as client:
        stream = client.stream("m", "Hi")
        with pytest.raises(trunkline.Unavailable) as caught:
            await stream.collect()
    assert (caught.value.reason, len(gateway.calls)) == ("DRAINING", 1)
