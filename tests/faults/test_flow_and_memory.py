"""Flow control end to end, and flat memory: measured on a worker process from outside."""

import asyncio
import gc
import os
import statistics
from itertools import combinations

import pytest

from tests.fakes import provider as fake
from tests.http2 import RawClient
from tests.processes import resident, serving
from tests.running import ask, completion, one_provider
from trunkline.fold import fold

MIB = 1024 * 1024
STREAM = "/trunkline.v1.Completion/StreamComplete"
STALLED = 20
FLOOD = 100 * MIB
CALLS = int(os.environ.get("TRUNKLINE_TEST_CALLS", "20000"))
CANCEL_EVERY = 11
"""So that 20,000 calls come with 2,000 cancelled ones."""


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


def endless_text(total):
    """A streamed answer that goes on for `total` bytes, as fast as the socket takes it."""
    chunk = fake.Answer().envelope("chat.completion.chunk")
    event = fake.sse({**chunk, "choices": [{"index": 0, "delta": {"content": "x" * 200}, "finish_reason": None}]})
    piece = event * (64 * 1024 // len(event))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % (total * 2)
    return fake.flood(total, head=head, piece=piece)


async def settled(read, *, within_s=10.0, quiet_s=0.4):
    """The value of `read()` once it has not changed for a while."""
    async with asyncio.timeout(within_s):
        last, since = read(), 0.0
        while since < quiet_s:
            await asyncio.sleep(0.05)
            value = read()
            since = since + 0.05 if value == last else 0.0
            last = value
        return last


async def test_a_caller_that_does_not_read_stops_its_provider_and_nobody_else(provider, tmp_path):
    """Twenty callers stop reading while the provider has 100 MB for each: it blocks, the worker grows by under 1 MiB a
    stream, and other calls are answered as before."""

    async def script(request, send):
        kind = request.json["messages"][0]["content"]
        await (endless_text(FLOOD) if kind == "flood" else fake.chat(text="served"))(request, send)

    provider.script = script
    async with serving(tmp_path, one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        for _ in range(200):
            await completion(channel).Complete(ask())
        before = resident(gateway.worker())
        clients = [await RawClient.connect(gateway.target, reads=False) for _ in range(STALLED)]
        streams = [client.call(STREAM, ask("flood")) for client in clients]
        await provider.seen(200 + STALLED)
        floods = [one for one in provider.requests if one.json["messages"][0]["content"] == "flood"]
        taken = await settled(lambda: sum(one.reply.taken for one in floods))
        assert taken < STALLED * FLOOD / 10, "the provider blocks"
        growth = (resident(gateway.worker()) - before) / STALLED
        assert growth < MIB
        answer = await completion(channel).Complete(ask(), timeout=5)
        assert answer.message.blocks[0].text.text == "served"
        assert not any(stream.ended.is_set() for stream in streams)
        for client in clients:
            await client.__aexit__()
        for one in floods:
            await asyncio.wait_for(one.closed.wait(), 5)


def theil_sen(points):
    """The median slope between points, which outliers don't move."""
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))


@pytest.mark.timeout(600)
async def test_memory_is_flat_over_many_calls(provider, tmp_path):
    """20,000 calls and 2,000 cancelled ones in a row: under 50 bytes a call over the last three quarters."""
    provider.script = fake.chat(text="one two three", chunks=3)
    provider_keeps_nothing = asyncio.create_task(_forget(provider))
    points = []
    async with serving(tmp_path, one_provider(provider.base_url)) as gateway, gateway.channel() as channel:
        worker, stub = gateway.worker(), completion(channel)
        done = 0
        while done < CALLS * CANCEL_EVERY // (CANCEL_EVERY - 1):
            batch = [_one(stub, done + number) for number in range(20)]
            await asyncio.gather(*batch)
            done += len(batch)
            if done > CALLS // 4 and done % 400 == 0:
                points.append((done, resident(worker)))
        gc.collect()
    provider_keeps_nothing.cancel()
    slope = theil_sen(points)
    print(f"{done} calls, {len(points)} samples, slope {slope:.1f} bytes a call")
    assert slope < 50


async def _one(stub, number):
    """Unary and streamed in turn; one in eleven is cancelled in the middle."""
    call = stub.StreamComplete(ask()) if number % 2 else None
    if number % CANCEL_EVERY == 0:
        call = call or stub.StreamComplete(ask())
        await call.read()
        call.cancel()
    elif call is not None:
        events = [event async for message in call for event in message.events]
        assert fold(events).message.blocks[0].text.text == "one two three"
    else:
        await stub.Complete(ask())


async def _forget(provider):
    """The fake keeps what it saw; over so many calls that would be the test's own leak."""
    while True:
        await asyncio.sleep(0.2)
        provider.requests.clear()
