"""Requests that take long to read do not starve the calls of others."""

import asyncio
from contextlib import suppress

import grpc

from tests.fakes.provider import FakeProvider, chat
from tests.running import ask, completion, one_provider, running
from trunkline import v1

BLOCKS = 8_000
"""Of one request, 55 KB in all: some 50 ms of work for the gateway."""
HOSTILE_CALLS = 100


async def test_calls_are_served_between_requests_that_take_long_to_read():
    """While one caller sends a hundred requests of 8,000 blocks at once, another's call is answered among the first."""
    turn = v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(text=v1.Text(text="x"))] * BLOCKS)
    request = ask(messages=[turn])
    answered = 0

    async def send(channel: grpc.aio.Channel) -> None:
        nonlocal answered
        with suppress(grpc.aio.AioRpcError):
            await completion(channel).Complete(request, timeout=60)
        answered += 1

    async with (
        FakeProvider(chat(text="Hello")) as provider,
        running(one_provider(provider.base_url)) as gateway,
        gateway.channel() as hostile,
        gateway.channel() as other,
    ):
        await completion(other).Complete(ask(), timeout=30)
        calls = [asyncio.ensure_future(send(hostile)) for _ in range(HOSTILE_CALLS)]
        while not answered:
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        before = answered
        for _ in range(5):
            await completion(other).Complete(ask(), timeout=30)
        after = answered
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert after - before < HOSTILE_CALLS // 2
