"""The client for asyncio, against a real gRPC server."""

import asyncio
import gc

import grpc
import pytest

import trunkline
from tests.fakes import gateway as fake
from trunkline import v1

STALLED = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)


@pytest.fixture
async def gateway():
    async with fake.Gateway() as running:
        yield running


@pytest.fixture
async def client(gateway):
    async with trunkline.AsyncClient(gateway.target, api_key="tk-secret", timeout=30) as made:
        yield made


async def ended(call):
    """Waits for a call's end at the server without blocking the loop that both live in."""
    return await asyncio.to_thread(call.ended.wait, 5)


async def idle(client):
    """Waits until no call of the client holds a place."""
    async with asyncio.timeout(5):
        while "0 calls on 1 connections" not in repr(client):
            await asyncio.sleep(0.01)


async def test_an_answer_and_a_stream_come(client, gateway):
    """complete gives the answer; stream gives its events, its text and the answer; both carry name, key, deadline."""
    assert (await client.complete("m", "Hi")).text == "Hello"
    gateway.on_stream = fake.speak("Grüß ", "", "Gott", per_message=2)
    async with client.stream("m", "Hi", request_id="mine", timeout=5) as stream:
        assert [event async for event in stream] == fake.events("Grüß ", "", "Gott")
        assert (await stream.collect()).text == "Grüß Gott"
    assert gateway.last.metadata["trunkline-request-id"] == "mine"
    assert gateway.last.metadata["authorization"] == "Bearer tk-secret"
    assert gateway.last.time_remaining <= 6
    assert [piece async for piece in client.stream("m", "Hi").text] == ["Grüß ", "Gott"]


async def test_leaving_a_stream_cancels_its_call(client, gateway):
    """The gateway sees the cancel when the async with is left, and the closed stream says that it was closed."""
    gateway.on_stream = STALLED
    async with client.stream("m", "Hi") as stream:
        async for piece in stream.text:
            assert piece == "Hel"
            break
    assert await ended(gateway.last)
    assert gateway.last.cancelled
    with pytest.raises(trunkline.Cancelled):
        await stream.collect()


async def test_closing_a_stream_wakes_its_reader(client, gateway):
    """A task that waits for the next event gets Cancelled, which is not asyncio's own, when another closes."""
    gateway.on_stream = STALLED
    stream = client.stream("m", "Hi")
    await anext(stream)
    reader = asyncio.create_task(stream.collect())
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(trunkline.Cancelled):
        await asyncio.wait_for(reader, 5)
    assert await ended(gateway.last)


@pytest.mark.parametrize("kind", ["complete", "stream"])
async def test_cancelling_a_task_cancels_its_call(client, gateway, kind):
    """A cancelled task ends with CancelledError, its call is cancelled at the gateway and its place is free."""
    gateway.on_stream, gateway.on_complete = STALLED, fake.silence
    call = client.complete("m", "Hi") if kind == "complete" else client.stream("m", "Hi").collect()
    task = asyncio.create_task(call)
    assert await asyncio.to_thread(gateway.arrived.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ended(gateway.last)
    assert gateway.last.cancelled
    await idle(client)


async def test_a_stream_cancelled_at_any_moment_is_cancelled_at_the_gateway(client, gateway):
    """Also just when its request has left, at which grpc.aio itself would let the call go on."""
    gateway.on_stream = STALLED
    for _ in range(200):
        gateway.arrived.clear()
        task = asyncio.create_task(client.stream("m", "Hi").collect())
        assert await asyncio.to_thread(gateway.arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ended(gateway.last)


async def test_a_dropped_stream_gives_its_place_back(client, gateway):
    """A stream that nobody holds any more is cancelled, and the pool counts no call."""
    gateway.on_stream = STALLED
    stream = client.stream("m", "Hi")
    await anext(stream)
    assert "1 calls on 1 connections" in repr(client)
    del stream
    gc.collect()
    assert await ended(gateway.last)
    await idle(client)


async def test_a_failure_tells_all_that_the_gateway_told(client, gateway):
    """Details of a status are on the exception, whether a call or a stream failed."""
    failing = fake.fail(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "too many tokens",
        reason="QUOTA_EXCEEDED",
        retry_after_s=3,
        partial=v1.PartialResult(usage=v1.Usage(input_tokens=9)),
    )
    gateway.on_complete, gateway.on_stream = failing, fake.play([], then=failing)
    for call in (client.complete("m", "Hi", request_id="r"), client.stream("m", "Hi", request_id="r").collect()):
        with pytest.raises(trunkline.RateLimited, match="too many tokens") as caught:
            await call
        assert caught.value.reason == "QUOTA_EXCEEDED"
        assert caught.value.retry_after.total_seconds() == 3
        assert caught.value.partial.usage.input_tokens == 9
        assert caught.value.request_id == "r"


@pytest.mark.parametrize("script", [fake.messages(fake.events("Hel")[:-1]), fake.messages(fake.events("Hel"))[1:]])
async def test_a_stream_that_breaks_the_contract_raises(client, gateway, script):
    """A bare ending and a missing event are BrokenStream, and stay so."""
    gateway.on_stream = fake.play(script)
    stream = client.stream("m", "Hi")
    for _ in range(2):
        with pytest.raises(trunkline.BrokenStream):
            await stream.collect()


async def test_a_deadline_ends_calls_and_streams(client, gateway):
    """A silent gateway costs the caller its deadline and no more."""
    gateway.on_complete, gateway.on_stream = fake.silence, STALLED
    for call in (client.complete("m", "Hi", timeout=0.2), client.stream("m", "Hi", timeout=0.2).collect()):
        with pytest.raises(trunkline.DeadlineExceeded):
            await call


async def test_a_thousand_tasks_get_an_answer(client, gateway):
    """A thousand calls at once from one client all succeed, on at most 8 connections of at most 100 calls."""

    async def call(number):
        return (await client.stream("m", "Hi").collect() if number % 2 else await client.complete("m", "Hi")).text

    assert await asyncio.gather(*map(call, range(1_000))) == ["Hello"] * 1_000
    assert gateway.connections == 8
    assert gateway.peak <= 800


async def test_calls_beyond_all_places_wait_within_their_deadline(client, gateway):
    """With 800 streams open the 801st call waits: it fails at its deadline, or runs when a place is free."""
    gateway.on_stream = STALLED
    streams = [client.stream("m", "Hi") for _ in range(800)]
    await asyncio.gather(*(anext(stream) for stream in streams))
    with pytest.raises(trunkline.DeadlineExceeded, match="8 connections carry 100 calls each") as caught:
        await client.complete("m", "Hi", timeout=0.1, request_id="r")
    assert (caught.value.reason, caught.value.request_id) == ("CLIENT_POOL_BUSY", "r")
    waiting = asyncio.create_task(client.complete("m", "Hi"))
    streams[0].close()
    assert (await waiting).text == "Hello"


async def test_models_and_health_are_told(client, gateway):
    """models asks for every page; health says SERVING."""
    gateway.models = ["a", "b", "c"]
    assert [model.name for model in await client.models()] == ["a", "b", "c"]
    assert await client.health() == "SERVING"


async def test_a_closed_client_takes_no_calls(client, gateway):
    """After close, calls in progress and new ones fail with Cancelled, which is not asyncio's own."""
    gateway.on_complete = fake.silence
    running = asyncio.create_task(client.complete("m", "Hi"))
    assert await asyncio.to_thread(gateway.arrived.wait, 5)
    await client.close()
    with pytest.raises(trunkline.Cancelled, match="closed"):
        await running
    with pytest.raises(trunkline.Cancelled, match="closed"):
        await client.complete("m", "Hi")


async def test_a_client_serves_one_loop(client):
    """A client that was used in one loop refuses another, in words."""
    await client.health()
    with pytest.raises(RuntimeError, match="one per loop"):
        await asyncio.to_thread(lambda: asyncio.run(client.health()))
