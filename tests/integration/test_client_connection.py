"""What becomes of calls when the wire to the gateway breaks or there is none."""

import asyncio
import os
import sys

import pytest

import trunkline
from tests.fakes import gateway as fake
from tests.fakes.relay import Relay
from trunkline.connection import MAX_MESSAGE_BYTES, Connection
from trunkline.errors import CLIENT_DOMAIN
from trunkline_server.config.settings import Settings

STALLED = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)
AWAY_S = 1.0
"""How long a worker that was killed is away, about."""


@pytest.fixture
async def gateway():
    async with fake.Gateway() as running:
        yield running


@pytest.fixture
async def relay(gateway, tmp_path):
    async with Relay(tmp_path / "wire", gateway.target) as wire:
        yield wire


async def both(target, ask):
    """Runs `ask` with a client for threads in a thread, and with a client for asyncio here; gives the two answers."""

    def in_a_thread():
        with trunkline.Client(target, timeout=20) as client:
            return ask(client)

    async def here():
        async with trunkline.AsyncClient(target, timeout=20) as client:
            return await ask(client)

    return await asyncio.gather(asyncio.to_thread(in_a_thread), here(), return_exceptions=True)


@pytest.mark.parametrize(
    "ask",
    [lambda client: client.complete("m", "Hi"), lambda client: client.stream("m", "Hi").collect()],
    ids=["complete", "stream"],
)
async def test_a_gateway_that_is_away_for_a_second_costs_no_call(relay, ask):
    """Calls that begin while nobody listens are answered once the gateway is back."""
    asked = asyncio.create_task(both(relay.target, ask))
    await asyncio.sleep(AWAY_S)
    await relay.open()
    assert [getattr(answer, "text", answer) for answer in await asked] == ["Hello", "Hello"]


@pytest.mark.parametrize(("calls", "length"), [(100, 2), (1, 3_000_000)], ids=["many", "large"])
async def test_neither_many_calls_nor_a_large_one_are_given_up_early(relay, calls, length):
    """A hundred calls at once outlast the second as one does, and so does a request with a picture's size."""
    async with trunkline.AsyncClient(relay.target, timeout=20) as client:
        asked = asyncio.gather(*(client.complete("m", "x" * length) for _ in range(calls)), return_exceptions=True)
        await asyncio.sleep(AWAY_S)
        await relay.open()
        assert {getattr(answer, "text", repr(answer)) for answer in await asked} == {"Hello"}


async def test_a_gateway_that_goes_away_between_calls_costs_no_call(relay):
    """A connection that was good and broke is made anew within the call."""
    await relay.open()
    async with trunkline.AsyncClient(relay.target, timeout=20) as client:
        await client.complete("m", "Hi")
        await relay.cut()
        asked = asyncio.create_task(client.complete("m", "Hi"))
        await asyncio.sleep(AWAY_S)
        await relay.open()
        assert (await asked).text == "Hello"


async def test_nobody_there_is_told_as_unreachable(relay):
    """Without a gateway both clients raise Unavailable with the client's own reason, after all attempts."""
    for failure in await both(relay.target, lambda client: client.complete("m", "Hi", request_id="r")):
        assert isinstance(failure, trunkline.Unavailable)
        assert (failure.reason, failure.domain) == ("GATEWAY_UNREACHABLE", CLIENT_DOMAIN)
        assert failure.request_id == "r"


async def test_a_connection_that_breaks_in_an_answer_is_told_as_lost(relay, gateway):
    """What had come is given; then Unavailable says that the connection broke, and names the call. None is repeated."""
    gateway.on_stream = STALLED
    await relay.open()
    begun = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def in_a_thread():
        with trunkline.Client(relay.target) as client, client.stream("m", "Hi", request_id="r") as stream:
            assert next(stream.text) == "Hel"
            loop.call_soon_threadsafe(begun.release)
            with pytest.raises(trunkline.Unavailable) as caught:
                stream.collect()
            return caught.value

    async def here():
        async with (
            trunkline.AsyncClient(relay.target) as client,
            client.stream("m", "Hi", request_id="r") as stream,
        ):
            assert await anext(stream.text) == "Hel"
            begun.release()
            with pytest.raises(trunkline.Unavailable) as caught:
                await stream.collect()
            return caught.value

    async def cut():
        await begun.acquire()
        await begun.acquire()
        await relay.cut()

    threaded, asynchronous, _ = await asyncio.gather(asyncio.to_thread(in_a_thread), here(), cut())
    for failure in (threaded, asynchronous):
        assert (failure.reason, failure.domain) == ("CONNECTION_LOST", CLIENT_DOMAIN)
        assert "the connection to the gateway broke in the middle of the answer" in failure.message
        assert failure.request_id == "r"
    assert len(gateway.calls) == 2


async def test_the_command_line_tells_a_lost_connection_from_a_missing_gateway(relay, gateway):
    """`complete` prints what came, then on a line of its own that the connection broke, with the call's name."""
    gateway.on_stream = STALLED
    await relay.open()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline_server", "complete", "Hi", "--target", relay.target),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert await process.stdout.readexactly(3) == b"Hel"
        await relay.cut()
        rest, complaint = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, rest) == (1, b"\n")
    assert b"error: the connection to the gateway broke in the middle of the answer" in complaint
    assert b"no gateway answers" not in complaint
    assert gateway.last.metadata["trunkline-request-id"].encode() in complaint


@pytest.mark.parametrize("target", ["gateway.example:1", "dns:///gateway.example:1"])
def test_a_channel_fits_what_the_gateway_allows(target):
    """Pings stay well below what it calls a flood, silence is noticed within 40 s, and its largest message passes."""
    options = dict(Connection.resolve(target, None, 1, None).options)
    gateway = Settings()
    every_ms, wait_ms = options["grpc.keepalive_time_ms"], options["grpc.keepalive_timeout_ms"]
    assert every_ms >= 2_000 * gateway.min_ping_interval_s
    assert every_ms + wait_ms <= 40_000
    assert options["grpc.http2.ping_timeout_ms"] == wait_ms
    assert not options["grpc.keepalive_permit_without_calls"]
    assert options["grpc.max_send_message_length"] == MAX_MESSAGE_BYTES >= gateway.max_receive_message_bytes
