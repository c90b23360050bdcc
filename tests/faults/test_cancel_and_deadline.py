"""Cancel means cancel, and one deadline: seen from the caller and from the provider."""

import asyncio
import base64
from contextlib import suppress
from statistics import median

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.fakes import provider as fake
from tests.http2 import RawClient
from tests.running import ask, completion, detail, one_provider, reason, running
from trunkline import v1

TRIES = 50
DEADLINE_S = 0.3


@pytest.fixture
async def provider():
    async with fake.FakeProvider() as one:
        yield one


@pytest.fixture
async def gateway(provider):
    async with running(one_provider(provider.base_url)) as one:
        yield one


def now():
    return asyncio.get_running_loop().time()


async def close_after(provider, number):
    """When the provider saw the connection of its request number `number` close."""
    request = await provider.seen(number)
    async with asyncio.timeout(5):
        await request.closed.wait()
    return request.closed_at


async def test_a_cancel_before_the_first_token_closes_the_provider(provider, gateway):
    """Within 50 ms (median of 50), unary and streamed in turn."""
    provider.script = fake.silent()
    took = []
    async with gateway.channel() as channel:
        for number in range(1, TRIES + 1):
            stub = completion(channel)
            call = stub.Complete(ask()) if number % 2 else stub.StreamComplete(ask())
            reading = asyncio.ensure_future(call if number % 2 else call.read())
            await provider.seen(number)
            call.cancel()
            cancelled_at = now()
            took.append(await close_after(provider, number) - cancelled_at)
            with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await reading
    assert median(took) < 0.05
    await asyncio.wait_for(gateway.app.calls.all_ended(), 1)


async def test_a_cancel_in_the_middle_of_a_stream_closes_the_provider(provider, gateway):
    """Within 50 ms (median of 50)."""
    provider.script = fake.stream(fake.Answer(text="a b c d"), chunks=4, stall_after=3)
    took = []
    async with gateway.channel() as channel:
        for number in range(1, TRIES + 1):
            call = completion(channel).StreamComplete(ask())
            await call.read()
            call.cancel()
            cancelled_at = now()
            took.append(await close_after(provider, number) - cancelled_at)
    assert median(took) < 0.05
    await asyncio.wait_for(gateway.app.calls.all_ended(), 1)


async def test_a_caller_whose_connection_dies_closes_the_provider(provider, gateway):
    """No cancel arrives, only the end of the connection."""
    provider.script = fake.stream(fake.Answer(text="a b c d"), chunks=4, stall_after=3)
    async with await RawClient.connect(gateway.target) as client:
        client.call("/trunkline.v1.Completion/StreamComplete", ask())
        await provider.seen(1)
        left_at = now()
    assert await close_after(provider, 1) - left_at < 0.5


async def test_the_deadline_ends_the_call_with_our_status_and_the_provider_with_it(provider, gateway):
    """With a silent provider and 300 ms: our DEADLINE_EXCEEDED, and the close by 300 ms in 48 of 50 tries."""
    provider.script = fake.silent()
    took, reasons = [], []
    async with gateway.channel() as channel:
        for number in range(1, TRIES + 1):
            started_at = now()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await completion(channel).Complete(ask(), timeout=DEADLINE_S)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            reasons.append(reason(caught.value))
            took.append(await close_after(provider, number) - started_at)
    assert reasons == ["DEADLINE_EXCEEDED"] * TRIES
    assert sum(one <= DEADLINE_S for one in took) >= 48
    assert max(took) <= 0.35


async def test_the_deadline_holds_for_a_client_that_enforces_nothing(provider, gateway):
    """A raw HTTP/2 client gets the status and its details in time, and the provider's connection closes as well."""
    provider.script = fake.silent()
    took = []
    async with await RawClient.connect(gateway.target) as client:
        for number in range(1, TRIES + 1):
            started_at = now()
            stream = client.call("/trunkline.v1.Completion/StreamComplete", ask(), grpc_timeout="300m")
            await asyncio.wait_for(stream.ended.wait(), 5)
            ending = stream.trailers or stream.headers
            assert ending["grpc-status"] == "4"
            packed = ending["grpc-status-details-bin"]
            status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
            info = error_details_pb2.ErrorInfo()
            assert status.details[0].Unpack(info)
            assert info.reason == "DEADLINE_EXCEEDED"
            took.append(await close_after(provider, number) - started_at)
    assert sum(one <= DEADLINE_S for one in took) >= 48
    assert max(took) <= 0.35


async def test_a_deadline_in_the_middle_of_a_stream_says_what_was_used(provider, gateway):
    """The caller keeps the text, and learns that content was sent and what the provider had counted by then."""
    counted = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
    frames = fake.Answer(text="a b c d").frames(4)[:3]

    async def script(request, send):
        await send.head(200, {"content-type": "text/event-stream"})
        await send.chunk(b"".join(frames) + fake.sse(counted))
        await send.stall()

    provider.script = script
    async with gateway.channel() as channel:
        text = ""
        call = completion(channel).StreamComplete(ask(), timeout=DEADLINE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while message := await call.read():
                text += "".join(event.block_delta.text for event in message.events)
    assert text
    assert reason(caught.value) == "DEADLINE_EXCEEDED"
    partial = detail(caught.value, v1.PartialResult)
    assert partial.content_sent
    assert (partial.usage.input_tokens, partial.usage.output_tokens) == (9, 3)
    assert partial.usage.output_source == v1.USAGE_SOURCE_PARTIAL
    assert [one.outcome for one in partial.attempts] == [v1.ATTEMPT_OUTCOME_CANCELLED]


async def test_an_absurd_deadline_is_taken(provider, gateway):
    """99999999 hours are clamped and overflow nothing."""
    async with await RawClient.connect(gateway.target) as client:
        stream = client.call("/trunkline.v1.Completion/Complete", ask(), grpc_timeout="99999999H")
        await asyncio.wait_for(stream.ended.wait(), 5)
        assert stream.trailers["grpc-status"] == "0"


async def test_a_call_without_a_deadline_is_given_one(provider):
    """Nothing runs for ever."""
    provider.script = fake.silent()
    async with running(one_provider(provider.base_url), default_timeout_s=0.2) as gateway, gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask())
        assert reason(caught.value) == "DEADLINE_EXCEEDED"
        assert (await close_after(provider, 1)) > 0


async def test_a_stray_cancellation_inside_is_a_status_and_no_hang(provider, gateway, monkeypatch):
    """What nobody asked for becomes INTERNAL; left alone, gRPC would never answer."""

    async def stray(*_args, **_kwargs):
        raise asyncio.CancelledError

    service = next(one for one in gateway.app.methods if one.name.endswith("/Complete"))
    monkeypatch.setattr(service.serve.__self__._router, "complete", stray)
    async with gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completion(channel).Complete(ask(), timeout=5)
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
